package actenvs.scienceworld;

import language.model.ActionRequestDef;
import language.model.ActionTrigger;
import language.model.ParamSig;
import language.model.ParamSigList;
import scala.Tuple3;
import scala.collection.immutable.List;
import scala.collection.immutable.Map;
import scala.collection.immutable.Nil$;
import scienceworld.actions.Action;
import scienceworld.actions.ActionInventory;
import scienceworld.actions.ActionLookAround;
import scienceworld.actions.PossibleAction;
import scienceworld.input.ActionDefinitions;
import scienceworld.input.InputParser;
import scienceworld.runtime.AgentInterface;
import scienceworld.struct.EnvObject;

/**
 * One world being played, with the globals that belong to it.
 *
 * <p>It does what upstream's PythonInterface does around a step, without what that does besides:
 * writing a history, and naming all objects for a message to the terminal. No question here
 * changes the episode.
 */
final class Episode {
    private static final EnvObject[] NOTHING = {};
    private static final ActionRequestDef LOOK =
            free(ActionLookAround.ACTION_NAME(), ActionLookAround.ACTION_ID());
    private static final ActionRequestDef INVENTORY =
            free(ActionInventory.ACTION_NAME(), ActionInventory.ACTION_ID());

    private final AgentInterface world;
    private Globals globals;
    private String observation;
    private double score;
    private boolean completed;

    /** Loads a task and looks around, as the reset of upstream's Python package does. */
    Episode(Configuration configuration) {
        world = configuration.load();
        globals = new Globals();
        step("look around");
    }

    /** A copy that shares nothing with the original that either could change. */
    Episode(Episode original) {
        world = Copier.copy(original.world);
        globals = original.globals;
        observation = original.observation;
        score = original.score;
        completed = original.completed;
    }

    /** The expert's actions for a task, one a line, found in a world of their own. */
    static String expert(Configuration configuration) {
        Globals.forgetWalks();
        try {
            return configuration.expert();
        } finally {
            Globals.forgetWalks();
            System.gc(); // a search takes memory by the hundred megabytes, and hundreds of steps
        }
    }

    void step(String input) {
        globals.install();
        try {
            take(input);
        } finally {
            globals = new Globals();
        }
        if (world.isInErrorState()) {
            throw new IllegalStateException(world.getErrorStateMessage());
        }
    }

    private void take(String input) {
        // Upstream reads these before its parser; they cost nothing and leave the score alone.
        switch (input.trim().toLowerCase()) {
            case "help":
                observation = list("Possible actions", world.getPossibleActions());
                return;
            case "objects":
                observation = list("Possible object references", world.getPossibleObjects());
                return;
            case "task":
                observation = "Task description:\n" + world.getTaskDescription();
                return;
            default:
        }
        Tuple3<String, Object, Object> told;
        Parser parser = Parser.enter(world);
        try {
            told = world.step(input);
        } finally {
            parser.leave(world);
        }
        observation =
                told._1().isEmpty()
                        ? "Unknown action.  Type 'help' for a list of actions, and 'objects' for a"
                                + " list of possible object referents. "
                        : told._1();
        score = (Double) told._2();
        completed = (Boolean) told._3();
        world.actionHandler().actionHistory().clear(); // a log that grows, and nothing reads
    }

    private static String list(String title, String[] lines) {
        return title + ": \n\t" + String.join("\n\t", lines);
    }

    /**
     * Upstream's valid actions, as its method of that name makes them, for a state in which it asks
     * nothing. It draws random numbers to name some things.
     */
    String[] admissible() {
        globals.install();
        EnvObject here = world.getAgentVisibleObjects(false)._2();
        EnvObject[] visible = objects(here, false);
        // All things of the world have to be named only where an action can name them; most of
        // the time would go there.
        EnvObject[] all = Parser.namesEverything(world) ? objects(world.universe(), true) : NOTHING;
        Map<Object, String> names = names(visible, here);
        PossibleAction[] actions =
                ActionDefinitions.mkPossibleActions(
                        world.agent(), visible, all, names, names(all, here));
        String[] texts = new String[actions.length];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = actions[i].mkHumanReadableStr();
        }
        return texts;
    }

    private Map<Object, String> names(EnvObject[] things, EnvObject here) {
        return world.inputParser().getAllUniqueReferentsLUTObjList(things, here, true, true);
    }

    private static EnvObject[] objects(EnvObject root, boolean includeHidden) {
        scala.collection.mutable.Set<EnvObject> found =
                InputParser.collectObjects(root, includeHidden);
        EnvObject[] objects = new EnvObject[found.size()];
        found.copyToArray(objects);
        return objects;
    }

    /** The digest of everything that can affect the future. */
    byte[] digest() {
        return new StateDigest(world, globals.random()).bytes();
    }

    String goal() {
        return world.getTaskDescription();
    }

    String observation() {
        return observation;
    }

    double score() {
        return score;
    }

    boolean completed() {
        return completed;
    }

    /** How many answers the question offers that the simulator has asked; 0 without one. */
    int choices() {
        return world.inputParser().getNumAmbiguousMatches();
    }

    int moves() {
        return world.getCurIterations();
    }

    String look() {
        return see(new ActionLookAround(LOOK, agent()));
    }

    String inventory() {
        return see(new ActionInventory(INVENTORY, agent()));
    }

    private Map<String, EnvObject> agent() {
        return new Map.Map1<>("agent", world.agent());
    }

    /** Runs an action that takes no time, past the agent's log of what it did. */
    private String see(Action action) {
        globals.install();
        return action.runAction()._1();
    }

    @SuppressWarnings("unchecked")
    private static ActionRequestDef free(String name, int id) {
        List<ParamSig> nothing = (List<ParamSig>) (List<?>) Nil$.MODULE$;
        List<ActionTrigger> unspoken = (List<ActionTrigger>) (List<?>) Nil$.MODULE$;
        return new ActionRequestDef(name, new ParamSigList(nothing), unspoken, id, false);
    }
}
