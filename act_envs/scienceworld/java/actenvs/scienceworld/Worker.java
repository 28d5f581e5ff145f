package actenvs.scienceworld;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The process behind Python's environments: reads framed requests, answers each by one frame.
 *
 * <p>A request is a length (four bytes) and operations one after the other; each is a code (one
 * byte), the number of an episode (four bytes) and what the operation takes. The answer is a length
 * and for each operation a byte, {@link #DONE}, with what it gives, or {@link #FAILED} with a text
 * and nothing after it: the operations that follow are not carried out. Numbers are big endian;
 * texts are a length in bytes and UTF-8.
 *
 * <p>Requests come through the standard input, whose end ends this process, whatever it is doing.
 * Answers go to a pipe of their own, so that nothing that a JVM or the simulator prints can come
 * between.
 */
public final class Worker {
    private static final int DONE = 0;
    private static final int FAILED = 1;

    private static final int START = 1;
    private static final int STEP = 2;
    private static final int ADMISSIBLE = 3;
    private static final int DIGEST = 4;
    private static final int SAVE = 5;
    private static final int RESTORE = 6;
    private static final int EXPERT = 7;
    private static final int END = 8;
    private static final int TRY = 9;

    private final Map<Integer, Episode> episodes = new HashMap<>();
    private final Vault vault = new Vault();

    /** Takes the path of the pipe for the answers, then files to delete at the end. */
    public static void main(String[] args) throws IOException, InterruptedException {
        silence();
        BlockingQueue<byte[]> requests = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> read(requests, args), "requests");
        reader.setDaemon(true);
        reader.start();
        Globals.takeOver();
        Worker worker = new Worker();
        try (FileOutputStream answers = new FileOutputStream(args[0])) {
            while (true) {
                answers.write(worker.answer(requests.take()));
            }
        }
    }

    /** Drops what the simulator prints; before its first class is loaded, as Scala keeps it. */
    private static void silence() {
        System.setOut(
                new PrintStream(
                        new OutputStream() {
                            @Override
                            public void write(int b) {}

                            @Override
                            public void write(byte[] b, int off, int len) {}
                        }));
    }

    private static void read(BlockingQueue<byte[]> requests, String[] args) {
        try (DataInputStream in =
                new DataInputStream(
                        new BufferedInputStream(new FileInputStream(FileDescriptor.in), 1 << 16))) {
            while (true) {
                byte[] request = new byte[in.readInt()];
                in.readFully(request);
                requests.add(request);
            }
        } catch (EOFException e) {
            // The process that asks has gone.
        } catch (IOException | RuntimeException e) {
            System.err.println("cannot read requests: " + e);
        } finally {
            for (int i = 1; i < args.length; i++) {
                new File(args[i]).delete();
            }
            Runtime.getRuntime().halt(0);
        }
    }

    private byte[] answer(byte[] request) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 12);
        DataOutputStream out = new DataOutputStream(bytes);
        ByteBuffer in = ByteBuffer.wrap(request);
        out.writeInt(0); // the length, known at the end
        while (in.hasRemaining()) {
            ByteArrayOutputStream result = new ByteArrayOutputStream(1 << 12);
            try {
                carryOut(in, new DataOutputStream(result));
                out.writeByte(DONE);
                result.writeTo(out);
            } catch (Exception | StackOverflowError | LinkageError e) {
                out.writeByte(FAILED);
                text(out, e.toString());
                break;
            }
        }
        byte[] answer = bytes.toByteArray();
        ByteBuffer.wrap(answer).putInt(answer.length - Integer.BYTES);
        return answer;
    }

    private void carryOut(ByteBuffer in, DataOutputStream out) throws IOException {
        int operation = in.get();
        int number = in.getInt();
        if (operation == START) {
            Key key = new Key(in);
            Configuration task = new Configuration(text(in), in.getInt(), text(in));
            Episode episode = vault.take(key);
            if (episode == null) {
                episode = new Episode(task);
                vault.put(key, episode);
            }
            episodes.put(number, episode);
            text(out, episode.goal());
            tell(out, episode);
            out.writeBoolean(vault.works());
            return;
        }
        if (operation == EXPERT) {
            text(out, Episode.expert(new Configuration(text(in), in.getInt(), text(in))));
            return;
        }
        if (operation == RESTORE) {
            Episode episode = vault.take(new Key(in));
            out.writeBoolean(episode != null);
            if (episode != null) {
                episodes.put(number, episode);
                text(out, episode.goal());
            }
            return;
        }
        Episode episode = episodes.get(number);
        if (episode == null && operation != END) {
            throw new IllegalStateException("no episode has the number " + number);
        }
        switch (operation) {
            case STEP:
                episode.step(text(in));
                tell(out, episode);
                break;
            case TRY:
                String action = text(in);
                out.writeBoolean(vault.works());
                if (vault.works()) {
                    Episode copy = new Episode(episode);
                    copy.step(action);
                    tell(out, copy);
                    out.write(copy.digest());
                }
                break;
            case ADMISSIBLE:
                text(out, String.join("\n", episode.admissible()));
                break;
            case DIGEST:
                out.write(episode.digest());
                break;
            case SAVE:
                vault.put(new Key(in), episode);
                break;
            case END:
                episodes.remove(number);
                break;
            default:
                throw new IllegalArgumentException("no operation has the code " + operation);
        }
    }

    private static void tell(DataOutputStream out, Episode episode) throws IOException {
        text(out, episode.observation());
        out.writeDouble(episode.score());
        out.writeBoolean(episode.completed());
        out.writeInt(episode.choices());
        out.writeInt(episode.moves());
        text(out, episode.look());
        text(out, episode.inventory());
    }

    private static void text(DataOutputStream out, String value) throws IOException {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        out.writeInt(utf8.length);
        out.write(utf8);
    }

    private static String text(ByteBuffer in) {
        byte[] utf8 = new byte[in.getInt()];
        in.get(utf8);
        return new String(utf8, StandardCharsets.UTF_8);
    }
}
