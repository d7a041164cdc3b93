import java.sql.Array;
import java.sql.Blob;
import java.sql.CallableStatement;
import java.sql.Clob;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.NClob;
import java.sql.PreparedStatement;
import java.sql.SQLWarning;
import java.sql.SQLXML;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Struct;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;

/**
 * A connection to nowhere that is always alive. What is counted in it is calls of {@link #getHoldability}, since a
 * caller sees only HikariCP's proxy, and the proxy passes that one on as it is.
 */
final class FakeConnection implements Connection {
  private int uses;

  @Override
  public int getHoldability() {
    return ++uses;
  }

  @Override
  public boolean isValid(int timeout) {
    return true;
  }

  @Override
  public boolean isClosed() {
    return false;
  }

  /** As HikariCP wants it, so that it has nothing to set and, when it is given back, nothing to reset. */
  @Override
  public boolean getAutoCommit() {
    return true;
  }

  @Override
  public int getTransactionIsolation() {
    return TRANSACTION_READ_COMMITTED;
  }

  // The rest of the interface does nothing. Of it only clearWarnings is called in the loop.

  @Override
  public Statement createStatement() {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text) {
    return null;
  }

  @Override
  public CallableStatement prepareCall(String text) {
    return null;
  }

  @Override
  public String nativeSQL(String text) {
    return null;
  }

  @Override
  public void setAutoCommit(boolean on) {}

  @Override
  public void commit() {}

  @Override
  public void rollback() {}

  @Override
  public void close() {}

  @Override
  public DatabaseMetaData getMetaData() {
    return null;
  }

  @Override
  public void setReadOnly(boolean on) {}

  @Override
  public boolean isReadOnly() {
    return false;
  }

  @Override
  public void setCatalog(String text) {}

  @Override
  public String getCatalog() {
    return null;
  }

  @Override
  public void setTransactionIsolation(int number) {}

  @Override
  public SQLWarning getWarnings() {
    return null;
  }

  @Override
  public void clearWarnings() {}

  @Override
  public Statement createStatement(int number1, int number2) {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text, int number1, int number2) {
    return null;
  }

  @Override
  public CallableStatement prepareCall(String text, int number1, int number2) {
    return null;
  }

  @Override
  public Map<String, Class<?>> getTypeMap() {
    return null;
  }

  @Override
  public void setTypeMap(Map<String, Class<?>> map) {}

  @Override
  public void setHoldability(int number) {}

  @Override
  public Savepoint setSavepoint() {
    return null;
  }

  @Override
  public Savepoint setSavepoint(String text) {
    return null;
  }

  @Override
  public void rollback(Savepoint savepoint) {}

  @Override
  public void releaseSavepoint(Savepoint savepoint) {}

  @Override
  public Statement createStatement(int number1, int number2, int number3) {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text, int number1, int number2, int number3) {
    return null;
  }

  @Override
  public CallableStatement prepareCall(String text, int number1, int number2, int number3) {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text, int number) {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text, int[] numbers) {
    return null;
  }

  @Override
  public PreparedStatement prepareStatement(String text, String[] texts) {
    return null;
  }

  @Override
  public Clob createClob() {
    return null;
  }

  @Override
  public Blob createBlob() {
    return null;
  }

  @Override
  public NClob createNClob() {
    return null;
  }

  @Override
  public SQLXML createSQLXML() {
    return null;
  }

  @Override
  public void setClientInfo(String text1, String text2) {}

  @Override
  public void setClientInfo(Properties properties) {}

  @Override
  public String getClientInfo(String text) {
    return null;
  }

  @Override
  public Properties getClientInfo() {
    return null;
  }

  @Override
  public Array createArrayOf(String text, Object[] values) {
    return null;
  }

  @Override
  public Struct createStruct(String text, Object[] values) {
    return null;
  }

  @Override
  public void setSchema(String text) {}

  @Override
  public String getSchema() {
    return null;
  }

  @Override
  public void abort(Executor executor) {}

  @Override
  public void setNetworkTimeout(Executor executor, int number) {}

  @Override
  public int getNetworkTimeout() {
    return 0;
  }

  @Override
  public <T> T unwrap(Class<T> type) {
    return null;
  }

  @Override
  public boolean isWrapperFor(Class<?> type) {
    return false;
  }
}
