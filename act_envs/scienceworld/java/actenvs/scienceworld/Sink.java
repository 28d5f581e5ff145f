package actenvs.scienceworld;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Feeds SHA-256 through a buffer. */
final class Sink {
    private final byte[] buffer = new byte[1 << 15];
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

    void putLong(long value) {
        room(Long.BYTES);
        for (int shift = 0; shift < Long.SIZE; shift += Byte.SIZE) {
            buffer[used++] = (byte) (value >>> shift);
        }
    }

    void putString(String value) {
        putLong(value.length());
        for (int i = 0; i < value.length(); i++) {
            room(2);
            char c = value.charAt(i);
            buffer[used++] = (byte) c;
            buffer[used++] = (byte) (c >>> 8);
        }
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
