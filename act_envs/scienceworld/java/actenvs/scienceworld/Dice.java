package actenvs.scienceworld;

import java.util.Random;

/** java.util.Random, to the bit (its documentation fixes the numbers), whose state can be read. */
final class Dice extends Random {
    private static final long serialVersionUID = 1L;
    private static final long MULTIPLIER = 0x5DEECE66DL;
    private static final long MASK = (1L << 48) - 1;

    private long state;

    long state() {
        return state;
    }

    void state(long value) {
        state = value;
    }

    @Override
    public void setSeed(long seed) {
        super.setSeed(seed); // forgets a pending nextGaussian, which the simulator never draws
        state = (seed ^ MULTIPLIER) & MASK;
    }

    @Override
    protected int next(int bits) {
        state = (state * MULTIPLIER + 0xBL) & MASK;
        return (int) (state >>> (48 - bits));
    }
}
