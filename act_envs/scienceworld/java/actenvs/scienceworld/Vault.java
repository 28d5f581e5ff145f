package actenvs.scienceworld;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Saved episodes by their keys; the least recently used one is forgotten when there are many. */
final class Vault {
    /** Bytes of heap for each saved episode, five times what one takes: 128 in the usual heap. */
    private static final long SPACE = 2 << 20;

    private final int capacity = (int) Math.max(1, Runtime.getRuntime().maxMemory() / SPACE);
    private final Map<Key, Episode> saved =
            new LinkedHashMap<Key, Episode>(16, 0.75f, true) {
                @Override
                protected boolean removeEldestEntry(Map.Entry<Key, Episode> eldest) {
                    return size() > capacity;
                }
            };
    private Boolean works; // null before the first episode was there to try it on

    /** Whether this JVM can copy an episode, so that anything is ever kept here. */
    boolean works() {
        return works != null && works;
    }

    /** Keeps a copy, where that can be had; what is not kept can be played again. */
    void put(Key key, Episode episode) {
        try {
            if (works == null) {
                works = Copier.SUPPORTED && isExact(episode);
            }
            if (works && saved.get(key) == null) { // equal keys are equal states
                saved.put(key, new Episode(episode));
            }
        } catch (RuntimeException | LinkageError e) {
            System.err.println("cannot copy a state: " + e);
            if (works == null) {
                works = false;
            }
        }
    }

    /** A copy of what was kept under a key; null when nothing is. */
    Episode take(Key key) {
        Episode episode = saved.get(key);
        return episode == null ? null : new Episode(episode);
    }

    /**
     * The self-test: whether two copies go the same way, and what they are copies of stays where
     * it was. Opening a door (or finding it open) moves much of a world.
     */
    private static boolean isExact(Episode original) {
        byte[] before = original.digest();
        Episode frozen = new Episode(original);
        Episode one = new Episode(frozen);
        Episode other = new Episode(frozen);
        for (String action : new String[] {"open door", "0"}) {
            one.step(action);
            other.step(action);
        }
        return one.observation().equals(other.observation())
                && Arrays.equals(one.digest(), other.digest())
                && Arrays.equals(frozen.digest(), before)
                && Arrays.equals(original.digest(), before);
    }
}
