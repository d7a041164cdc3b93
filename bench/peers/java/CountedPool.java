/** A pool under test, whose objects count how often they were used. */
interface CountedPool<T> {
  /** Null if no object came free within the pool's time-out. */
  T acquire() throws Exception;

  /** Bumps the counter of an object that was acquired. */
  void use(T object) throws Exception;

  void release(T object) throws Exception;

  interface Opener<T> {
    /** With all its objects made. The time-out of an acquire is the library's default if {@code timeOutMs} is 0. */
    CountedPool<T> open(int places, int timeOutMs) throws Exception;

    /** The library and its version. */
    String library();
  }

  /** From the name of the file that Maven has fetched: not every library says it in its manifest. */
  static String jarOf(Class<?> type) {
    String path = type.getProtectionDomain().getCodeSource().getLocation().getPath();
    return path.substring(path.lastIndexOf('/') + 1).replaceFirst("\\.jar$", "");
  }
}
