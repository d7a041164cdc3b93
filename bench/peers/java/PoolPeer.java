import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.StringJoiner;

/**
 * Measures one pool as told on standard input, a line at a time: java PoolPeer hikaricp|commons-pool2.
 *
 * <p>One pool a process: with two of them the calls in the loop would have two targets, and C2 would not inline them.
 */
public final class PoolPeer<T> {
  /** What is held for less is held by a loop: no timer is that exact. */
  private static final int SHORTEST_SLEEP_US = 1000;

  private enum Phase {
    WARM_UP,
    MEASURED,
    OVER
  }

  private interface Work {
    void run() throws Exception;
  }

  private final CountedPool.Opener<T> opener;
  private final Map<Integer, CountedPool<T>> pools = new HashMap<>();
  private final Map<Integer, CountedPool<T>> poolsWithTimeOut = new HashMap<>();
  private volatile Phase phase;

  private PoolPeer(CountedPool.Opener<T> opener) {
    this.opener = opener;
  }

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "hikaricp":
        new PoolPeer<>(new HikariPool.Opener()).serve();
        break;
      case "commons-pool2":
        new PoolPeer<>(new CommonsPool.Opener()).serve();
        break;
      default:
        throw new IllegalArgumentException(arguments[0]);
    }
    System.exit(0); // HikariCP's threads are still there.
  }

  private void serve() throws Exception {
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
    for (String request = requests.readLine(); request != null; request = requests.readLine()) {
      System.out.println(answer(request));
    }
  }

  private String answer(String request) throws Exception {
    String[] words = request.split(" ");
    int[] numbers = new int[words.length - 1];
    for (int i = 0; i < numbers.length; ++i) {
      numbers[i] = Integer.parseInt(words[i + 1]);
    }
    switch (words[0] + numbers.length) {
      case "about0":
        return "about " + opener.library() + " Java " + System.getProperty("java.version");
      case "ops4":
        return operations(numbers[0], numbers[1], numbers[2], numbers[3]);
      case "hold4":
        return hold(numbers[0], numbers[1], numbers[2], numbers[3]);
      case "timeout3":
        return lateness(numbers[0], numbers[1], numbers[2]);
      default:
        return "error cannot do: " + request;
    }
  }

  private CountedPool<T> poolOf(int places) throws Exception {
    if (!pools.containsKey(places)) {
      pools.put(places, opener.open(places, 0));
    }
    return pools.get(places);
  }

  private static Thread start(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (Exception failure) {
                failure.printStackTrace();
                System.exit(1);
              }
            });
    thread.start();
    return thread;
  }

  private String operations(int places, int threads, int warmUpMs, int measuredMs) throws Exception {
    CountedPool<T> pool = poolOf(places);
    long[] operations = new long[threads];
    Thread[] workers = new Thread[threads];
    phase = Phase.WARM_UP;
    for (int i = 0; i < threads; ++i) {
      int thread = i;
      workers[i] =
          start(
              () -> {
                repeat(pool, Phase.WARM_UP);
                operations[thread] = repeat(pool, Phase.MEASURED);
              });
    }
    Thread.sleep(warmUpMs);
    long begin = System.nanoTime();
    phase = Phase.MEASURED;
    Thread.sleep(measuredMs);
    phase = Phase.OVER;
    for (Thread worker : workers) {
      worker.join();
    }
    return "ops " + ofTurn(System.nanoTime() - begin, operations);
  }

  private long repeat(CountedPool<T> pool, Phase until) throws Exception {
    long operations = 0;
    while (phase == until) {
      T object = pool.acquire();
      pool.use(object);
      pool.release(object);
      ++operations;
    }
    return operations;
  }

  private String hold(int places, int threads, int holdUs, int measuredMs) throws Exception {
    CountedPool<T> pool = poolOf(places);
    long[] operations = new long[threads];
    long[] held = new long[threads];
    Thread[] workers = new Thread[threads];
    long begin = System.nanoTime();
    long length = measuredMs * 1_000_000L;
    for (int i = 0; i < threads; ++i) {
      int thread = i;
      workers[i] =
          start(
              () -> {
                long count = 0;
                long sum = 0;
                while (System.nanoTime() - begin < length) {
                  T object = pool.acquire();
                  long since = System.nanoTime();
                  holdFor(holdUs);
                  pool.use(object);
                  sum += System.nanoTime() - since;
                  pool.release(object);
                  ++count;
                }
                operations[thread] = count;
                held[thread] = sum;
              });
    }
    for (Thread worker : workers) {
      worker.join();
    }
    long wall = System.nanoTime() - begin;
    long sum = 0;
    for (long part : held) {
      sum += part;
    }
    return "hold " + ofTurn(wall, operations) + " held_ns=" + sum;
  }

  private static void holdFor(int us) throws InterruptedException {
    if (us >= SHORTEST_SLEEP_US) {
      Thread.sleep(us / 1000, us % 1000 * 1000);
      return;
    }
    long since = System.nanoTime();
    while (System.nanoTime() - since < us * 1000L) {}
  }

  private String lateness(int places, int timeOutMs, int times) throws Exception {
    if (!poolsWithTimeOut.containsKey(places)) {
      CountedPool<T> full = opener.open(places, timeOutMs);
      for (int i = 0; i < places; ++i) {
        full.acquire();
      }
      poolsWithTimeOut.put(places, full);
    }
    CountedPool<T> pool = poolsWithTimeOut.get(places);
    StringJoiner late = new StringJoiner(",", "timeout late_ns=", "");
    for (int i = 0; i < times; ++i) {
      long begin = System.nanoTime();
      if (pool.acquire() != null) {
        throw new IllegalStateException("a full pool has lent something");
      }
      late.add(Long.toString(System.nanoTime() - begin - timeOutMs * 1_000_000L));
    }
    return late.toString();
  }

  private static String ofTurn(long wallNs, long[] operations) {
    StringJoiner counts = new StringJoiner(",", "wall_ns=" + wallNs + " operations=", "");
    for (long count : operations) {
      counts.add(Long.toString(count));
    }
    return counts.toString();
  }
}
