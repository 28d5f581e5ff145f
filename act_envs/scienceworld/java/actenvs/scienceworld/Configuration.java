package actenvs.scienceworld;

import scienceworld.runtime.AgentInterface;
import scienceworld.runtime.pythonapi.PythonInterface;

/** A task, its variation, and upstream's names of the simplifications. */
final class Configuration {
    private static final PythonInterface UPSTREAM = new PythonInterface();

    private final String task;
    private final int variation;
    private final String simplifications;

    Configuration(String task, int variation, String simplifications) {
        this.task = task;
        this.variation = variation;
        this.simplifications = simplifications;
    }

    /** A fresh world. */
    AgentInterface load() {
        load(false);
        return UPSTREAM.agentInterface().get();
    }

    /** The actions of upstream's gold path, one a line. */
    String expert() {
        load(true);
        return String.join("\n", UPSTREAM.getGoldActionSequence());
    }

    private void load(boolean expert) {
        // Upstream builds the flower pots with the simplifications of the load before, and so
        // loads everything twice itself. Here the load before may be another episode's.
        Globals.forgetSimplifications();
        if (!simplifications.isEmpty()) {
            check(UPSTREAM.load(task, variation, simplifications, false));
        }
        check(UPSTREAM.load(task, variation, simplifications, expert));
    }

    private static void check(String error) {
        if (!error.isEmpty()) {
            throw new IllegalStateException(error);
        }
    }
}
