package actenvs.scienceworld;

import java.nio.ByteBuffer;

/** The sixteen bytes by which Python names a saved state. */
final class Key {
    private final long high;
    private final long low;

    Key(ByteBuffer in) {
        high = in.getLong();
        low = in.getLong();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Key && ((Key) other).high == high && ((Key) other).low == low;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(high); // a digest already
    }
}
