package actenvs.scienceworld;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import language.model.ActionRequestDef;
import scala.Function1;
import scala.Option;
import scala.Tuple2;
import scala.Tuple4;
import scala.collection.TraversableLike;
import scala.collection.generic.CanBuildFrom;
import scala.collection.immutable.Set;
import scala.collection.immutable.Set$;
import scienceworld.actions.Action;
import scienceworld.input.InputParser;
import scienceworld.objects.agent.Agent;
import scienceworld.runtime.AgentInterface;
import scienceworld.struct.EnvObject;
import scienceworld.tasks.goals.GoalSequence;
import scienceworld.tasks.goals.ObjMonitor;

/**
 * Upstream's parser, which asks each thing for its names once, and not once for every form of
 * action, and remembers what they are without articles; and which collects all things of the world
 * only where an action can name them (a teleport, if that simplification is on).
 *
 * <p>It takes the place of a world's own parser for the length of one action, so that a world never
 * holds anything of ours.
 */
final class Parser extends InputParser {
    private static final Field PARSER = field(AgentInterface.class, "inputParser");
    private static final Field FORMS = field(InputParser.class, "actionRequestDefs");
    private static final EnvObject NOTHING = nothing();
    private static final Map<String, String> PLAIN = new HashMap<>();
    private static final int PLAIN_KEPT = 20_000;

    private final InputParser original;
    private final boolean everywhere;
    private final Map<EnvObject[], String[][]> names = new IdentityHashMap<>(); // one or two

    private Parser(InputParser original, ActionRequestDef[] forms) {
        super(forms);
        this.original = original;
        this.everywhere = namesEverything(forms);
        lastAmbiguousMatches_$eq(original.lastAmbiguousMatches());
    }

    /** Puts a parser of ours into a world; {@link #leave} takes it out again. */
    static Parser enter(AgentInterface world) {
        Parser parser = new Parser(world.inputParser(), forms(world));
        set(world, parser);
        return parser;
    }

    void leave(AgentInterface world) {
        original.lastAmbiguousMatches_$eq(lastAmbiguousMatches());
        set(world, original);
    }

    /** Whether an action in this world can name things that are not here. */
    static boolean namesEverything(AgentInterface world) {
        return namesEverything(forms(world));
    }

    @Override
    public Tuple4<Object, String, String, Option<Action>> parse(
            String input,
            EnvObject here,
            EnvObject universe,
            Agent agent,
            ObjMonitor monitor,
            GoalSequence goals,
            EnvObject perspective) {
        return super.parse(
                input, here, everywhere ? universe : NOTHING, agent, monitor, goals, perspective);
    }

    @Override
    @SuppressWarnings("unchecked")
    public Tuple2<Object, Tuple2<String, EnvObject>[]> matchObj(
            String input, EnvObject[] things, EnvObject perspective) {
        List<Tuple2<String, EnvObject>> found = new ArrayList<>();
        // Nothing changes while a text is parsed, and the perspective is always the room.
        String[][] known = names.computeIfAbsent(things, all -> new String[all.length][]);
        for (int i = 0; i < things.length; i++) {
            if (known[i] == null) {
                known[i] = names(things[i], perspective);
            }
            for (String name : known[i]) {
                if (input.startsWith(name)) {
                    found.add(new Tuple2<>(input.substring(name.length()).trim(), things[i]));
                }
            }
        }
        return new Tuple2<>(!found.isEmpty(), found.toArray(new Tuple2[0]));
    }

    /** What upstream's getObjectReferents gives, in the same order. */
    @SuppressWarnings({"rawtypes", "unchecked"}) // Scala's types are too much for javac
    private static String[] names(EnvObject thing, EnvObject perspective) {
        TraversableLike given = thing.getReferentsWithContainers(perspective);
        CanBuildFrom set = Set$.MODULE$.canBuildFrom();
        Function1<String, String> lower = String::toLowerCase;
        Set<String> names = (Set<String>) given.map(lower, set);
        String[] plain = new String[names.size()];
        names.copyToArray(plain);
        for (int i = 0; i < plain.length; i++) {
            plain[i] = plain(plain[i]);
        }
        return plain;
    }

    /** A name as it is compared: without articles. Upstream does this with regular expressions. */
    private static String plain(String name) {
        String plain = PLAIN.get(name);
        if (plain == null) {
            if (PLAIN.size() == PLAIN_KEPT) {
                PLAIN.clear();
            }
            plain = String.join(" ", InputParser.tokenize(name));
            PLAIN.put(name, plain);
        }
        return plain;
    }

    private static boolean namesEverything(ActionRequestDef[] forms) {
        for (ActionRequestDef form : forms) {
            if (form.isOracleAction()) {
                return true;
            }
        }
        return false;
    }

    private static ActionRequestDef[] forms(AgentInterface world) {
        try {
            return (ActionRequestDef[]) FORMS.get(world.inputParser());
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void set(AgentInterface world, InputParser parser) {
        try {
            PARSER.set(world, parser);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
        if (world.inputParser() != parser) {
            throw new IllegalStateException("a world keeps its own parser");
        }
    }

    private static Field field(Class<?> owner, String name) {
        try {
            Field field = owner.getDeclaredField(name);
            field.setAccessible(true);
            return field;
        } catch (NoSuchFieldException e) {
            throw new IllegalStateException(e);
        }
    }

    /** An object that contains nothing, made without counting as an object of any world. */
    private static EnvObject nothing() {
        long count = util.UniqueIdentifier$.MODULE$.count();
        EnvObject nothing = new EnvObject();
        util.UniqueIdentifier$.MODULE$.count_$eq(count);
        return nothing;
    }
}
