import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLTransientConnectionException;

/** HikariCP as a whole, proxies and all, over a database that is not there. */
final class HikariPool implements CountedPool<Connection> {
  private final HikariDataSource source;

  private HikariPool(HikariDataSource source) {
    this.source = source;
  }

  static final class Opener implements CountedPool.Opener<Connection> {
    @Override
    public CountedPool<Connection> open(int places, int timeOutMs) throws InterruptedException {
      HikariConfig config = new HikariConfig();
      config.setDataSource(new FakeDataSource());
      config.setMaximumPoolSize(places);
      config.setMinimumIdle(places);
      if (timeOutMs > 0) {
        config.setConnectionTimeout(timeOutMs);
      }
      HikariDataSource source = new HikariDataSource(config);
      while (source.getHikariPoolMXBean().getIdleConnections() < places) {
        Thread.sleep(1); // A thread of its own fills it.
      }
      return new HikariPool(source);
    }

    @Override
    public String library() {
      return CountedPool.jarOf(HikariDataSource.class);
    }
  }

  @Override
  public Connection acquire() throws Exception {
    try {
      return source.getConnection();
    } catch (SQLTransientConnectionException timeOut) {
      return null;
    }
  }

  @Override
  public void use(Connection connection) throws Exception {
    connection.getHoldability();
  }

  @Override
  public void release(Connection connection) throws Exception {
    connection.close();
  }
}
