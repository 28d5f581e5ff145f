package actenvs.scienceworld;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamConstants;
import java.nio.ByteBuffer;

/**
 * The state of the simulator that lives outside of an episode: one random generator, one counter
 * of object ids and one cache of walks through the house, all of them process-wide singletons.
 *
 * <p>Asking the simulator something (its valid actions, its expert's path) moves them. An instance
 * remembers them so that a question can leave an episode as it found it.
 */
final class Globals {
    /** What java.util.Random multiplies a seed with (exclusive or) before it stores it. */
    private static final long SCRAMBLE = 0x5DEECE66DL;

    private final long randomState = randomState();
    private final long objectIds = util.UniqueIdentifier$.MODULE$.count();

    /** Puts back what held when this instance was made. */
    void restore() {
        // The exclusive or undoes the one in setSeed. It also forgets a pending nextGaussian,
        // which the simulator never draws.
        scala.util.Random$.MODULE$.self().setSeed(randomState ^ SCRAMBLE);
        util.UniqueIdentifier$.MODULE$.count_$eq(objectIds);
        if (randomState() != randomState) {
            throw new IllegalStateException("the random generator does not take its state back");
        }
    }

    /** Forgets the walks that the expert of an earlier task drew at random and kept. */
    static void forgetWalks() {
        scienceworld.goldagent.PathFinder$.MODULE$.precomputedExhaustivePaths().clear();
    }

    /**
     * The 48 bits of the simulator's random generator.
     *
     * <p>Read from its serial form, because that needs no access to the inside of java.base: the
     * documented fields in the order of their names, {@code long seed} the last, then the mark that
     * ends the data of a class.
     */
    static long randomState() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(scala.util.Random$.MODULE$.self());
        } catch (IOException e) {
            throw new IllegalStateException("cannot read the simulator's random generator", e);
        }
        ByteBuffer form = ByteBuffer.wrap(bytes.toByteArray());
        int end = form.limit() - 1;
        if (form.get(end) != ObjectStreamConstants.TC_ENDBLOCKDATA) {
            throw new IllegalStateException("java.util.Random has another serial form here");
        }
        return form.getLong(end - Long.BYTES);
    }
}
