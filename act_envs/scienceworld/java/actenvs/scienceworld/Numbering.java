package actenvs.scienceworld;

import java.util.Arrays;
import scienceworld.struct.EnvObject;

/**
 * Numbers the objects of a walk through a graph in the order of their first visit.
 *
 * <p>Numbers are kept in the objects themselves where this JVM lets us (see {@link Marks}), and
 * given back by {@link #close}. Elsewhere in a table, for which objects of the world are hashed by
 * their unique id, all others by a look at their fields, which do not change during a walk.
 */
final class Numbering implements AutoCloseable {
    private static final int DEPTH = 2;
    private static final int BREADTH = 8;

    private Object[] objects = new Object[8192];
    private int[] keys = new int[8192]; // in the table; or what was where the mark is
    private int[] slots = Marks.SUPPORTED ? null : new int[32768]; // number + 1, 0 for a free slot
    private int size;

    int size() {
        return size;
    }

    Object get(int number) {
        return objects[number];
    }

    /** The number of an object, or -1 when it was not visited. */
    int find(Object object) {
        if (slots != null) {
            return slots[slot(object, key(object, DEPTH))] - 1;
        }
        int mark = Marks.read(object);
        return mark < size && objects[mark] == object ? mark : -1;
    }

    /** Gives the next number to an object that was not visited before. */
    int add(Object object) {
        if (size == objects.length) {
            grow();
        }
        if (slots != null) {
            keys[size] = key(object, DEPTH);
            slots[slot(object, keys[size])] = size + 1;
        } else if (size < Marks.LIMIT) {
            keys[size] = Marks.read(object);
            Marks.write(object, size);
        } else {
            throw new IllegalStateException("a world of more than " + Marks.LIMIT + " objects");
        }
        objects[size] = object;
        return size++;
    }

    /** Puts the headers of all objects back. */
    @Override
    public void close() {
        for (int number = 0; slots == null && number < size; number++) {
            Marks.write(objects[number], keys[number]);
        }
    }

    private int slot(Object object, int key) {
        int mask = slots.length - 1;
        int slot = (key ^ (key >>> 15)) & mask;
        while (slots[slot] > 0) {
            int number = slots[slot] - 1;
            if (keys[number] == key && objects[number] == object) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private void grow() {
        objects = Arrays.copyOf(objects, 2 * size);
        keys = Arrays.copyOf(keys, 2 * size);
        if (slots != null) {
            slots = new int[8 * size];
            for (int number = 0; number < size; number++) {
                slots[slot(objects[number], keys[number])] = number + 1;
            }
        }
    }

    private static int key(Object object, int depth) {
        if (object == null) {
            return 0;
        }
        if (object instanceof EnvObject) {
            return Long.hashCode(((EnvObject) object).uuid() * 0x9E3779B97F4A7C15L);
        }
        if (object instanceof String || object instanceof Number || object instanceof Boolean) {
            return object.hashCode();
        }
        int key = object.getClass().getName().hashCode();
        if (depth == 0) {
            return key;
        }
        if (object instanceof Object[]) {
            Object[] elements = (Object[]) object;
            key = 31 * key + elements.length;
            int seen = 0;
            for (int i = 0; i < elements.length && seen < BREADTH; i++) {
                if (elements[i] != null) {
                    key = 31 * key + key(elements[i], depth - 1) + i;
                    seen++;
                }
            }
            return key;
        }
        for (Shape.Slot slot : Shape.of(object.getClass()).slots) {
            key = 31 * key;
            key +=
                    slot.primitive
                            ? Long.hashCode(slot.bits(object))
                            : key(slot.get(object), depth - 1);
        }
        return key * 0x9E3779B9;
    }
}
