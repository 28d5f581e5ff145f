package actenvs.scienceworld;

import java.util.Arrays;
import scienceworld.struct.EnvObject;

/**
 * Numbers objects in the order of their first visit.
 *
 * <p>java.util.IdentityHashMap would do, if the JVM did not run with {@code -XX:hashCode=2}, where
 * every identity hash is the same. So objects of the world are hashed by their unique id, all
 * others by a look at their fields, which do not change during a walk.
 */
final class Numbering {
    private static final int DEPTH = 2;
    private static final int BREADTH = 8;

    private Object[] objects = new Object[8192];
    private int[] keys = new int[8192];
    private int[] slots = new int[32768]; // number + 1, 0 for a free slot
    private int size;

    int size() {
        return size;
    }

    Object get(int number) {
        return objects[number];
    }

    /** The number of an object, a new one at its first visit. */
    int of(Object object) {
        int key = key(object, DEPTH);
        int slot = slot(object, key);
        if (slots[slot] > 0) {
            return slots[slot] - 1;
        }
        if (size == objects.length) {
            grow();
            slot = slot(object, key);
        }
        objects[size] = object;
        keys[size] = key;
        slots[slot] = ++size;
        return size - 1;
    }

    /** The number of an object, or -1 when it was not visited. */
    int find(Object object) {
        return slots[slot(object, key(object, DEPTH))] - 1;
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
        slots = new int[8 * size];
        for (int number = 0; number < size; number++) {
            slots[slot(objects[number], keys[number])] = number + 1;
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
            key = 31 * key + (slot.primitive ? Long.hashCode(slot.bits(object)) : key(slot.get(object), depth - 1));
        }
        return key * 0x9E3779B9;
    }
}
