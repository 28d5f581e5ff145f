package actenvs.scienceworld;

import java.lang.reflect.Field;
import sun.misc.Unsafe;

/**
 * Numbers written into objects themselves, in the place of their identity hashes.
 *
 * <p>A walk through a graph must know where it has been. An IdentityHashMap would, if the JVM did
 * not run with {@code -XX:hashCode=2}, where all identity hashes are equal. HotSpot keeps an
 * identity hash in an object's header; this class finds out where, borrows the place during a walk
 * and puts back what was there. To a garbage collector that comes in between, a number is a hash.
 */
final class Marks {
    static final Unsafe UNSAFE = unsafe();

    /** Numbers are smaller than this; hashes have at least so many bits in every header. */
    static final int LIMIT = 1 << 24;

    private static final int SHIFT = shift();
    private static final long FIELD = (LIMIT - 1L) << SHIFT;

    /** Whether headers of this JVM can be written; tried on some objects. */
    static final boolean SUPPORTED = UNSAFE != null && SHIFT > 0 && works();

    private Marks() {}

    /** The number (or what there is of a hash) in an object's header. */
    static int read(Object object) {
        return (int) ((UNSAFE.getLong(object, 0L) & FIELD) >>> SHIFT);
    }

    static void write(Object object, int number) {
        long header = UNSAFE.getLong(object, 0L);
        if ((header & 7) != 1) { // locked, or (before Java 15) claimed by a thread
            throw new IllegalStateException("the header of an object is in use");
        }
        UNSAFE.putLong(object, 0L, header & ~FIELD | ((long) number << SHIFT));
    }

    private static Unsafe unsafe() {
        try {
            Field field = Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return (Unsafe) field.get(null);
        } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
            return null;
        }
    }

    /** By how many bits a hash is shifted in a header; 0 when that cannot be seen. */
    private static int shift() {
        if (UNSAFE == null || "off".equals(System.getProperty("actenvs.copies"))) {
            return 0;
        }
        try {
            Object object = new Object();
            long before = UNSAFE.getLong(object, 0L);
            int hash = System.identityHashCode(object);
            long after = UNSAFE.getLong(object, 0L);
            int shift = Long.numberOfTrailingZeros((before ^ after) >>> 3) + 3;
            // -XX:hashCode=2 makes every hash a 1: a single bit, and no other way to copy a table
            // that is ordered by hashes.
            return hash == 1 && (before ^ after) == 1L << shift ? shift : 0;
        } catch (RuntimeException | LinkageError e) {
            return 0;
        }
    }

    private static boolean works() {
        try {
            Object[] objects = {new Object(), new int[3], new String[2], new StringBuilder("x")};
            for (int i = 0; i < objects.length; i++) {
                int number = LIMIT - 1 - i * 0x12345;
                int before = read(objects[i]);
                Class<?> type = objects[i].getClass();
                write(objects[i], number);
                if (System.identityHashCode(objects[i]) != number
                        || objects[i].getClass() != type) {
                    return false;
                }
                write(objects[i], before);
                if (System.identityHashCode(objects[i]) != 1) {
                    return false;
                }
            }
            return ((int[]) objects[1]).length == 3;
        } catch (RuntimeException | LinkageError e) {
            return false;
        }
    }
}
