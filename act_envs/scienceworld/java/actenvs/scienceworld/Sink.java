package actenvs.scienceworld;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Feeds SHA-256 through a buffer. */
final class Sink {
    private static final int CHUNK = 1 << 12; // characters between looks at the room left

    private final byte[] buffer = new byte[1 << 15];
    private final ByteBuffer numbers = ByteBuffer.wrap(buffer);
    private final MessageDigest digest;
    private int used;

    Sink() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JRE must have it
        }
    }

    void putByte(int value) {
        room(1);
        buffer[used++] = (byte) value;
    }

    void putInt(int value) {
        room(Integer.BYTES);
        numbers.putInt(used, value);
        used += Integer.BYTES;
    }

    void putLong(long value) {
        room(Long.BYTES);
        numbers.putLong(used, value);
        used += Long.BYTES;
    }

    /** The low bytes of the characters, and the high ones where there are any. */
    void putString(String value) {
        putInt(value.length());
        boolean high = putBytes(value, 0);
        putByte(high ? 1 : 0);
        if (high) {
            putBytes(value, Byte.SIZE);
        }
    }

    /** Puts one byte of each character; whether any has more than one. */
    private boolean putBytes(String value, int shift) {
        int all = 0;
        int length = value.length();
        for (int from = 0; from < length; from += CHUNK) {
            int to = Math.min(length, from + CHUNK);
            room(CHUNK);
            for (int i = from; i < to; i++) {
                char c = value.charAt(i);
                buffer[used++] = (byte) (c >>> shift);
                all |= c;
            }
        }
        return all > 0xFF;
    }

    byte[] bytes() {
        room(buffer.length);
        return digest.digest();
    }

    private void room(int bytes) {
        if (used + bytes > buffer.length) {
            digest.update(buffer, 0, used);
            used = 0;
        }
    }
}
