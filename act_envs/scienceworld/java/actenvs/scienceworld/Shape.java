package actenvs.scienceworld;

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
    private final Class<?> type;
    private final Object singleton;

    static Shape of(Class<?> type) {
        return SHAPES.get(type);
    }

    private Shape(Class<?> type) {
        this.type = type;
        // The classes of closures have a number in their name that differs between runs.
        int lambda = type.getName().indexOf("$$Lambda");
        this.name = lambda < 0 ? type.getName() : type.getName().substring(0, lambda + 8);
        List<Slot> all = new ArrayList<>();
        if (!type.isArray()) {
            collect(type, all);
        }
        this.slots = all.toArray(new Slot[0]);
        this.singleton = singleton(type);
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
        private final Field field;
        private final Class<?> type;

        Slot(Field field) {
            field.setAccessible(true);
            this.field = field;
            this.name = field.getDeclaringClass().getName() + "." + field.getName();
            this.type = field.getType();
            this.primitive = type.isPrimitive();
            this.leftOut = StateDigest.LEFT_OUT.contains(name);
        }

        Object get(Object owner) {
            try {
                return field.get(owner);
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }

        /** The bits of a primitive field. */
        long bits(Object owner) {
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
