package actenvs.scienceworld;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import scienceworld.runtime.pythonapi.PythonInterface;

/** What Python asks for in one round trip each. No question here changes an episode. */
public final class Bridge {
    private Bridge() {}

    /** Drops what the simulator prints; to be called before its first class is loaded. */
    public static void silence() {
        System.setOut(
                new PrintStream(
                        new OutputStream() {
                            @Override
                            public void write(int b) {}

                            @Override
                            public void write(byte[] b, int off, int len) {}
                        }));
    }

    /**
     * The valid actions of this state, one a line, as zlib data of UTF-8 text.
     *
     * <p>Upstream draws random numbers to name some of them. Compressed, because a socket holds
     * back the end of a long answer for 40 ms.
     */
    public static byte[] admissible(PythonInterface server) throws IOException {
        Globals before = new Globals();
        String actions;
        try {
            actions = String.join("\n", server.getValidActionObjectCombinations());
        } finally {
            before.restore();
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream(1 << 14);
        Deflater fast = new Deflater(Deflater.BEST_SPEED);
        try (DeflaterOutputStream zlib = new DeflaterOutputStream(out, fast)) {
            zlib.write(actions.getBytes(StandardCharsets.UTF_8));
        } finally {
            fast.end();
        }
        return out.toByteArray();
    }

    /**
     * The expert's actions for a task, one a line, found in a world of their own.
     *
     * <p>An interface of its own, because upstream never clears the flag that asks for the path.
     * The simplifications must be those of the running episode: they are process-wide.
     */
    public static String gold(String task, int variation, String simplifications) {
        Globals before = new Globals();
        try {
            Globals.forgetWalks();
            PythonInterface expert = new PythonInterface();
            String error = expert.load(task, variation, simplifications, true);
            if (!error.isEmpty()) {
                throw new IllegalStateException(error);
            }
            List<String> path = expert.getGoldActionSequence();
            return String.join("\n", path);
        } finally {
            Globals.forgetWalks();
            before.restore();
        }
    }

    /** The digest of everything that can affect the future, in hexadecimal digits. */
    public static String digest(PythonInterface server) {
        return new StateDigest(server.agentInterface().get()).hex();
    }

    /** What the simulator could not do in the last step; empty when it is well. */
    public static String trouble(PythonInterface server) {
        if (!server.errorStr().isEmpty()) {
            return server.errorStr();
        }
        scienceworld.runtime.AgentInterface world = server.agentInterface().get();
        return world.isInErrorState() ? "error state: " + world.getErrorStateMessage() : "";
    }
}
