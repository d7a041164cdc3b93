import java.time.Duration;
import java.util.NoSuchElementException;
import org.apache.commons.pool2.BasePooledObjectFactory;
import org.apache.commons.pool2.PooledObject;
import org.apache.commons.pool2.impl.DefaultPooledObject;
import org.apache.commons.pool2.impl.GenericObjectPool;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;

/** commons-pool2's GenericObjectPool, neither testing objects nor throwing idle ones away. */
final class CommonsPool implements CountedPool<CommonsPool.Counter> {
  static final class Counter {
    private long uses;
  }

  private static final class Counters extends BasePooledObjectFactory<Counter> {
    @Override
    public Counter create() {
      return new Counter();
    }

    @Override
    public PooledObject<Counter> wrap(Counter counter) {
      return new DefaultPooledObject<>(counter);
    }
  }

  private final GenericObjectPool<Counter> pool;

  private CommonsPool(GenericObjectPool<Counter> pool) {
    this.pool = pool;
  }

  static final class Opener implements CountedPool.Opener<Counter> {
    @Override
    public CountedPool<Counter> open(int places, int timeOutMs) throws Exception {
      GenericObjectPoolConfig<Counter> config = new GenericObjectPoolConfig<>();
      config.setMaxTotal(places);
      config.setMaxIdle(places);
      config.setMinIdle(places);
      config.setJmxEnabled(false);
      if (timeOutMs > 0) {
        config.setMaxWait(Duration.ofMillis(timeOutMs));
      }
      GenericObjectPool<Counter> pool = new GenericObjectPool<>(new Counters(), config);
      pool.preparePool();
      return new CommonsPool(pool);
    }

    @Override
    public String library() {
      return CountedPool.jarOf(GenericObjectPool.class);
    }
  }

  @Override
  public Counter acquire() throws Exception {
    try {
      return pool.borrowObject();
    } catch (NoSuchElementException timeOut) {
      return null;
    }
  }

  @Override
  public void use(Counter counter) {
    ++counter.uses;
  }

  @Override
  public void release(Counter counter) {
    pool.returnObject(counter);
  }
}
