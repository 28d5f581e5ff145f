package actenvs.scienceworld;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import scala.collection.Iterator;
import scienceworld.actions.Action;
import scienceworld.actions.ActionLookAt;
import scienceworld.actions.ActionRead;
import scienceworld.actions.ActionUseDevice;
import scienceworld.objects.agent.Agent;
import scienceworld.runtime.AgentInterface;
import scienceworld.struct.EnvObject;

/**
 * A hash of an episode's object graph: everything that can affect its future, nothing else.
 *
 * <p>The graph is walked breadth first from {@link AgentInterface}. An object's identity is
 * replaced by the number of its first visit, and a class after its first by its number; fields
 * come in the order of their names; collections are walked as the arrays and nodes that they are,
 * because the order in which they iterate (and the free slots that decide where the next element
 * goes) shows in texts and in the order of events. Left out are the fields of {@link #LEFT_OUT}. Of the log of actions only the part is
 * kept that a goal still reads.
 */
final class StateDigest {
    private static final String PAST =
            "scienceworld.tasks.goals.specificgoals.GoalPastAction";

    /** Fields that cannot affect the future, or that say nothing which the graph does not. */
    static final Set<String> LEFT_OUT =
            new HashSet<>(
                    Arrays.asList(
                            // Counters that are only reported.
                            "scienceworld.runtime.AgentInterface.curIter",
                            // Logs. What goals read of the agent's own is added by history().
                            "scienceworld.input.ActionHandler.actionHistory",
                            "scienceworld.objects.agent.Agent.actionHistory",
                            // Constant for a configuration: the grammar of actions.
                            "scienceworld.input.ActionHandler.actions",
                            "scienceworld.input.InputParser.actionRequestDefs",
                            // Identity (the visit number stands for it) and the class once more.
                            "scienceworld.struct.EnvObject.uuid",
                            "scienceworld.struct.EnvObject.typeID",
                            "scienceworld.struct.EnvObject.className",
                            // Positions in the agent's log: history() replaces them.
                            PAST + "ExamineObject.activatedAtStep",
                            PAST + "UseObjectOnObject.activatedAtStep",
                            PAST + "ReadObject.activatedAtStep"));

    private final Numbering numbering = new Numbering();
    private final Sink sink = new Sink();
    private int classes;

    StateDigest(AgentInterface world, long random) {
        sink.putLong(random);
        numbering.add(world);
        List<Object> pastGoals = new ArrayList<>();
        try {
            for (int i = 0; i < numbering.size(); i++) { // grows while it is walked
                Object object = numbering.get(i);
                Shape shape = Shape.of(object.getClass());
                visit(object, shape);
                if (shape.name.startsWith(PAST)) {
                    pastGoals.add(object);
                }
            }
            history(world.agent(), pastGoals);
        } finally {
            numbering.close();
        }
    }

    byte[] bytes() {
        return sink.bytes();
    }

    private void visit(Object object, Shape shape) {
        type(shape);
        if (shape.isArray()) {
            array(object);
            return;
        }
        if (shape.isSingleton(object)) {
            return; // without state, or (the simplifications) fixed by the configuration
        }
        for (Shape.Slot slot : shape.slots) {
            if (slot.leftOut) {
                continue;
            }
            if (slot.primitive) {
                sink.putLong(slot.bits(object));
            } else {
                value(slot.get(object));
            }
        }
    }

    private void type(Shape shape) {
        if (shape.metBy == this) {
            sink.putInt(shape.number);
            return;
        }
        shape.metBy = this;
        shape.number = classes++;
        sink.putInt(shape.number);
        sink.putString(shape.name);
    }

    private void array(Object array) {
        if (array instanceof Object[]) {
            Object[] elements = (Object[]) array;
            sink.putInt(elements.length);
            for (Object element : elements) {
                value(element);
            }
        } else {
            int length = java.lang.reflect.Array.getLength(array);
            sink.putInt(length);
            for (int i = 0; i < length; i++) {
                value(java.lang.reflect.Array.get(array, i));
            }
        }
    }

    /** A value inline, anything with an identity by its number. */
    private void value(Object value) {
        if (value == null) {
            sink.putByte(0);
        } else if (value instanceof String) {
            sink.putByte(1);
            sink.putString((String) value);
        } else if (value instanceof Number
                || value instanceof Boolean
                || value instanceof Character) {
            sink.putByte(2);
            type(Shape.of(value.getClass()));
            sink.putLong(Shape.bits(value));
        } else if (value instanceof Class) {
            sink.putByte(3);
            sink.putString(((Class<?>) value).getName());
        } else {
            sink.putByte(4);
            int number = numbering.find(value);
            sink.putInt(number < 0 ? numbering.add(value) : number);
        }
    }

    /**
     * What the goals about past actions still read of the agent's log: which things were examined,
     * used or read since the goal became active, whatever the order and however often.
     */
    private void history(Agent agent, List<Object> pastGoals) {
        for (Object goal : pastGoals) {
            int since = (int) Shape.of(goal.getClass()).slot("activatedAtStep").bits(goal);
            sink.putByte(since < 0 ? 0 : 1);
            if (since < 0) {
                continue;
            }
            Set<String> done = new TreeSet<>();
            for (Action action : agent.getActionHistorySince(since)) {
                if (action instanceof ActionLookAt
                        || action instanceof ActionUseDevice
                        || action instanceof ActionRead) {
                    done.add(action.getClass().getName() + objects(action));
                }
            }
            sink.putInt(done.size());
            for (String line : done) {
                sink.putString(line);
            }
        }
    }

    private String objects(Action action) {
        Set<String> out = new TreeSet<>();
        Iterator<String> names = action.assignments().keysIterator();
        while (names.hasNext()) {
            String name = names.next();
            EnvObject object = action.assignments().apply(name);
            int number = numbering.find(object);
            // What has left the world keeps its name, and goals read nothing else of it.
            String gone = object.name() + "/" + object.getDescriptName("");
            out.add(name + "=" + (number >= 0 ? "#" + number : gone));
        }
        return out.toString();
    }
}
