package actenvs.scienceworld;

import java.lang.reflect.Field;
import main.scala.scienceworld.runtime.Simplification;
import main.scala.scienceworld.runtime.SimplifierProcessor$;
import scala.collection.mutable.ArrayBuffer;
import scienceworld.goldagent.PathFinder$;

/**
 * The state of the simulator that lives outside of a world, in process-wide singletons: one random
 * generator, one counter of object ids, one list of simplifications. (A fourth, the expert's cache
 * of walks through the house, is forgotten around each use.)
 *
 * <p>An instance is what they hold for one episode. Episodes take turns in them, which is why they
 * can live in one process; and a question that moves them is followed by a {@link #install}.
 */
final class Globals {
    private static final Dice DICE = new Dice();

    private final long random = DICE.state();
    private final long objectIds = util.UniqueIdentifier$.MODULE$.count();
    private final Simplification[] simplifications = simplifications();

    /** Puts a random generator of ours in the place of the simulator's; before it is first used. */
    static void takeOver() {
        try {
            Field self = scala.util.Random.class.getDeclaredField("self");
            self.setAccessible(true);
            self.set(scala.util.Random$.MODULE$, DICE);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot replace the simulator's random generator", e);
        }
        if (scala.util.Random$.MODULE$.self() != DICE) {
            throw new IllegalStateException("the simulator keeps its own random generator");
        }
    }

    /** Puts back what held when this instance was made. */
    void install() {
        DICE.state(random);
        util.UniqueIdentifier$.MODULE$.count_$eq(objectIds);
        ArrayBuffer<Simplification> list = SimplifierProcessor$.MODULE$.simplifications();
        list.clear();
        for (Simplification each : simplifications) {
            list.$plus$eq(each);
        }
    }

    /** The 48 bits of the random generator. */
    long random() {
        return random;
    }

    static void forgetSimplifications() {
        SimplifierProcessor$.MODULE$.simplifications().clear();
    }

    /** Forgets the walks that the expert of an earlier task drew at random and kept. */
    static void forgetWalks() {
        PathFinder$.MODULE$.precomputedExhaustivePaths().clear();
    }

    private static Simplification[] simplifications() {
        ArrayBuffer<Simplification> list = SimplifierProcessor$.MODULE$.simplifications();
        Simplification[] copy = new Simplification[list.length()];
        for (int i = 0; i < copy.length; i++) {
            copy[i] = list.apply(i);
        }
        return copy;
    }
}
