package actenvs.scienceworld;

import java.util.Arrays;
import scienceworld.runtime.AgentInterface;
import sun.misc.Unsafe;

/**
 * Copies a world: every object that can be reached from it, in the same shape.
 *
 * <p>Shared with the original is what nothing can change: strings and boxes, classes, the grammar
 * of actions, and Scala's singletons, whose few fields are globals (see {@link Globals}). Sets and
 * maps are copied as the tables that they are, exact where identity hashes are all equal.
 */
final class Copier {
    static final boolean SUPPORTED = Marks.SUPPORTED;

    private final Numbering originals;
    private Object[] copies = new Object[8192];

    private Copier(Numbering originals) {
        this.originals = originals;
    }

    static AgentInterface copy(AgentInterface world) {
        try (Numbering originals = new Numbering()) {
            Copier copier = new Copier(originals);
            Object copy = copier.of(world);
            for (int i = 0; i < originals.size(); i++) { // grows while it is walked
                copier.fill(originals.get(i), copier.copies[i]);
            }
            return (AgentInterface) copy;
        }
    }

    /** The copy of an object, empty until it has been filled; or what is shared. */
    private Object of(Object object) {
        if (object == null) {
            return null;
        }
        int number = originals.find(object);
        if (number < 0) {
            Shape shape = Shape.of(object.getClass());
            if (shape.isConstant(object)) {
                return object;
            }
            number = originals.add(object);
            if (number == copies.length) {
                copies = Arrays.copyOf(copies, 2 * number);
            }
            copies[number] = shape.blank(object);
        }
        return copies[number];
    }

    private void fill(Object original, Object copy) {
        if (original instanceof Object[]) {
            Object[] from = (Object[]) original;
            Object[] to = (Object[]) copy;
            for (int i = 0; i < from.length; i++) {
                to[i] = of(from[i]);
            }
            return;
        }
        Unsafe unsafe = Marks.UNSAFE;
        Shape shape = Shape.of(original.getClass());
        for (long offset : shape.references) {
            unsafe.putObject(copy, offset, of(unsafe.getObject(original, offset)));
        }
        for (long offset : shape.ones) {
            unsafe.putByte(copy, offset, unsafe.getByte(original, offset));
        }
        for (long offset : shape.twos) {
            unsafe.putShort(copy, offset, unsafe.getShort(original, offset));
        }
        for (long offset : shape.fours) {
            unsafe.putInt(copy, offset, unsafe.getInt(original, offset));
        }
        for (long offset : shape.eights) {
            unsafe.putLong(copy, offset, unsafe.getLong(original, offset));
        }
    }
}
