package actenvs.scienceworld;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The fields of a class, in an order that no JVM chooses: superclasses first, then by name. */
final class Shape {
    private static final ClassValue<Shape> SHAPES =
            new ClassValue<Shape>() {
                @Override
                protected Shape computeValue(Class<?> type) {
                    return new Shape(type);
                }
            };

    final String name;
    final Slot[] slots;

    /** Where the fields lie, for copying: references, and primitives by their size in bytes. */
    final long[] references;
    final long[] ones;
    final long[] twos;
    final long[] fours;
    final long[] eights;

    /** Which digest has met the class last, and the number that it gave to it. */
    StateDigest metBy;
    int number;

    private final Class<?> type;
    private final Object singleton;
    private final boolean constant;

    static Shape of(Class<?> type) {
        return SHAPES.get(type);
    }

    private Shape(Class<?> type) {
        this.type = type;
        // The classes of closures have a number in their name that differs between runs.
        int lambda = type.getName().indexOf("$$Lambda");
        this.name = lambda < 0 ? type.getName() : type.getName().substring(0, lambda + 8);
        List<Slot> all = new ArrayList<>();
        if (!type.isArray() && !isBox(type)) {
            collect(type, all);
        }
        this.slots = all.toArray(new Slot[0]);
        this.singleton = singleton(type);
        this.constant = isBox(type) || type.getName().startsWith("language.model."); // the grammar
        boolean copied = Marks.SUPPORTED && !constant;
        this.references = offsets(all, copied, 0);
        this.ones = offsets(all, copied, 1);
        this.twos = offsets(all, copied, 2);
        this.fours = offsets(all, copied, 4);
        this.eights = offsets(all, copied, 8);
    }

    private static long[] offsets(List<Slot> slots, boolean copied, int size) {
        return slots.stream()
                .filter(slot -> copied && slot.size == size)
                .mapToLong(slot -> Marks.UNSAFE.objectFieldOffset(slot.field))
                .toArray();
    }

    /** Whether an instance never changes and refers to nothing that does. */
    boolean isConstant(Object object) {
        return constant || object == singleton;
    }

    /** An instance like another one, arrays of the same length, with nothing in it yet. */
    Object blank(Object object) {
        if (type.isArray()) {
            Object array = Array.newInstance(type.getComponentType(), Array.getLength(object));
            if (type.getComponentType().isPrimitive()) {
                System.arraycopy(object, 0, array, 0, Array.getLength(object));
            }
            return array;
        }
        try {
            return Marks.UNSAFE.allocateInstance(type);
        } catch (InstantiationException e) {
            throw new IllegalStateException(e);
        }
    }

    boolean isArray() {
        return type.isArray();
    }

    /** Whether this is the one instance of a Scala {@code object}. */
    boolean isSingleton(Object object) {
        return object == singleton;
    }

    Slot slot(String fieldName) {
        for (Slot slot : slots) {
            if (slot.name.endsWith("." + fieldName)) {
                return slot;
            }
        }
        throw new IllegalStateException(name + " has no field " + fieldName);
    }

    private static void collect(Class<?> type, List<Slot> out) {
        if (type == Object.class) {
            return;
        }
        if (type.getName().startsWith("java.")) {
            // Its fields are closed to us, and skipping it silently could hide a difference.
            throw new IllegalStateException("cannot look into " + type.getName());
        }
        collect(type.getSuperclass(), out);
        Field[] fields = type.getDeclaredFields();
        Arrays.sort(fields, (a, b) -> a.getName().compareTo(b.getName()));
        for (Field field : fields) {
            if (!Modifier.isStatic(field.getModifiers())) {
                out.add(new Slot(field));
            }
        }
    }

    private static boolean isBox(Class<?> type) {
        return type == String.class
                || type == Boolean.class
                || type == Character.class
                || type == Class.class
                || Number.class.isAssignableFrom(type);
    }

    private static Object singleton(Class<?> type) {
        if (!type.getName().endsWith("$")) {
            return null;
        }
        try {
            Field module = type.getDeclaredField("MODULE$");
            module.setAccessible(true);
            return module.get(null);
        } catch (NoSuchFieldException e) {
            return null;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The bits of a boxed value. */
    static long bits(Object value) {
        if (value instanceof Float) {
            return Float.floatToRawIntBits((Float) value);
        }
        if (value instanceof Double) {
            return Double.doubleToRawLongBits((Double) value);
        }
        if (value instanceof Boolean) {
            return (Boolean) value ? 1 : 0;
        }
        if (value instanceof Character) {
            return (Character) value;
        }
        return ((Number) value).longValue();
    }

    /** One field. */
    static final class Slot {
        final String name;
        final boolean primitive;
        final boolean leftOut;
        final int size; // of a primitive in bytes, 0 for a reference
        private final Field field;
        private final Class<?> type;
        private final long offset; // -1 where it can be read by reflection only

        Slot(Field field) {
            field.setAccessible(true);
            this.field = field;
            this.name = field.getDeclaringClass().getName() + "." + field.getName();
            this.type = field.getType();
            this.primitive = type.isPrimitive();
            this.size = size(type);
            this.leftOut = StateDigest.LEFT_OUT.contains(name);
            this.offset = offset(field);
        }

        private static long offset(Field field) {
            try {
                return Marks.UNSAFE == null ? -1 : Marks.UNSAFE.objectFieldOffset(field);
            } catch (UnsupportedOperationException e) { // of a hidden class
                return -1;
            }
        }

        private static int size(Class<?> type) {
            if (!type.isPrimitive()) {
                return 0;
            }
            if (type == boolean.class || type == byte.class) {
                return 1;
            }
            if (type == char.class || type == short.class) {
                return 2;
            }
            return type == int.class || type == float.class ? 4 : 8;
        }

        Object get(Object owner) {
            if (offset >= 0) {
                return Marks.UNSAFE.getObject(owner, offset);
            }
            try {
                return field.get(owner);
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }

        /** The bits of a primitive field. */
        long bits(Object owner) {
            if (offset >= 0) {
                switch (size) {
                    case 1:
                        return Marks.UNSAFE.getByte(owner, offset);
                    case 2:
                        return type == char.class
                                ? Marks.UNSAFE.getChar(owner, offset)
                                : Marks.UNSAFE.getShort(owner, offset);
                    case 4:
                        return Marks.UNSAFE.getInt(owner, offset);
                    default:
                        return Marks.UNSAFE.getLong(owner, offset);
                }
            }
            try {
                if (type == boolean.class) {
                    return field.getBoolean(owner) ? 1 : 0;
                }
                if (type == double.class) {
                    return Double.doubleToRawLongBits(field.getDouble(owner));
                }
                if (type == float.class) {
                    return Float.floatToRawIntBits(field.getFloat(owner));
                }
                return type == char.class ? field.getChar(owner) : field.getLong(owner);
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
