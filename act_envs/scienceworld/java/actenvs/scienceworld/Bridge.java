package actenvs.scienceworld;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamConstants;
import java.nio.ByteBuffer;
import scienceworld.runtime.pythonapi.PythonInterface;

/** What upstream's Python package cannot ask its own Java process. */
public final class Bridge {
    private Bridge() {}

    /** The digest of everything that can affect the future, in hexadecimal digits. */
    public static String digest(PythonInterface server) {
        StringBuilder hex = new StringBuilder();
        for (byte b : new StateDigest(server.agentInterface().get(), random()).bytes()) {
            hex.append(String.format("%02x", b));
        }
        return hex.toString();
    }

    /** Lets the next search of a gold path begin as the first one: see {@link Globals}. */
    public static void forgetWalks() {
        Globals.forgetWalks();
    }

    /**
     * The 48 bits of upstream's own random generator.
     *
     * <p>Read from its serial form, because that needs no access to the inside of java.base: the
     * documented fields in the order of their names, {@code long seed} the last, then the mark that
     * ends the data of a class.
     */
    private static long random() {
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
