"""Episodes as conversations: what TRL's tools must be for a model that answers in action tags.

TRL plays with what it calls tools: it reads a call in an answer, and writes the result into the
conversation. The models here answer ``<action>...</action>`` and know no other tool. So a tokenizer
is given two things, and its chat template stays what it is: a beginning of the template that turns
calls back into answers and results into turns of the user, and a reader for which an answer with a
tag is the call ``act(answer)``. Whether there is an action in it is decided by whoever is called,
with :func:`act_data.prompts.parse_answer`, so that there is one reader for all stages.

A template that cannot hold such a conversation is refused before anything is loaded: TRL would take
each answer for the last one, and train on nothing without an error.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError
from trl import get_training_chat_template  # pyright: ignore[reportPrivateImportUsage]

from act_data.prompts import CLOSE_TAG, OPEN_TAG, OPEN_THOUGHT, render_answer
from act_train.errors import RecipeError

TOOL = "act"

# Other calls are none of ours, but TRL asks a template whether it can show any.
_BEGINNING = (
    "{%- set tools = none -%}{%- set turns = namespace(all=[]) -%}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'tool' -%}"
    "{%- set turns.all = turns.all + [{'role': 'user', 'content': message.content}] -%}"
    "{%- elif message.tool_calls -%}"
    "{%- set call = message.tool_calls[0].function -%}"
    "{%- if call.name == '" + TOOL + "' -%}"
    "{%- set said = call.arguments.answer | default('') -%}"
    "{%- else -%}{%- set said = call | tojson -%}{%- endif -%}"
    "{%- set turns.all = turns.all + [{'role': 'assistant', 'content': said}] -%}"
    "{%- else -%}{%- set turns.all = turns.all + [message] -%}{%- endif -%}"
    "{%- endfor -%}{%- set messages = turns.all %}"
)
_SEEN, _DONE = "what is seen first", "look around"


def conversing(tokenizer: Any, options: Mapping[str, Any]) -> Any:
    """A copy of a tokenizer that renders and reads episodes.

    Args:
        tokenizer: with a chat template.
        options: variables of the template (``chat_template_kwargs`` of TRL).

    Raises:
        RecipeError: its template cannot hold such a conversation.
    """
    made = copy.deepcopy(tokenizer)
    own = tokenizer.get_chat_template()
    made.chat_template = _BEGINNING + own
    if not _keeps_beginnings(made, options):
        try:  # what TRL trains with instead, for the templates that it knows
            known = get_training_chat_template(tokenizer)
        except ValueError as error:
            raise _unfit("it renders a turn in another way once another one follows") from error
        made.chat_template = _BEGINNING + (known or own)
        if not _keeps_beginnings(made, options):
            raise _unfit("it renders a turn in another way once another one follows")
    if not (tokenizer.eos_token and tokenizer.eos_token in _follows_answer(made, options)):
        raise _unfit(f"a turn does not end with eos_token, which is {tokenizer.eos_token!r}")
    made.response_template = _reader(_header(made, options), tokenizer.eos_token)
    return made


def length_of_turn(tokenizer: Any, seen: str, answer: str, options: Mapping[str, Any]) -> int:
    """Tokens that an answer and what comes back take together, the template's own included."""
    asked = _render(tokenizer, [_user(seen)], options)
    return len(tokenizer(asked + answer, add_special_tokens=False)["input_ids"])


def _reader(header: str, end: str) -> dict[str, Any]:
    """The ``response_template`` of a tokenizer: what is a call, and what is said to nobody.

    Args:
        header: what the prompt of an answer ends with. A thought that it opens belongs to the
            answer, or one that never ends would pass for an answer.
        end: the token that ends a turn.
    """
    call = {"type": "function", "function": {"name": TOOL, "arguments": {"answer": "{content}"}}}
    return {
        "defaults": {"role": "assistant"},
        "start_anchor": header,
        "fields": {
            "tool_calls": {
                "open_pattern": rf"\A(?=.*(?:{OPEN_TAG}|{CLOSE_TAG}))",
                "close": end,
                "repeats": True,  # TRL wants a list of calls
                "content": "text",
                "transform": call,
            },
            "content": {"close": end, "content": "text"},
        },
    }


def _keeps_beginnings(tokenizer: Any, options: Mapping[str, Any]) -> bool:
    """Whether a turn is rendered the same whatever follows: TRL cuts results out of the whole."""
    short = _render(tokenizer, _episode(results=0), options, ask=False)
    return _render(tokenizer, _episode(results=1), options).startswith(short)


def _follows_answer(tokenizer: Any, options: Mapping[str, Any]) -> str:
    """What the template writes after an answer and before the next observation."""
    text = _render(tokenizer, _episode(results=1), options)
    return text.rpartition(render_answer(_DONE))[2].partition(_SEEN)[0]


def _header(tokenizer: Any, options: Mapping[str, Any]) -> str:
    """What asks for an answer, up to a thought that it may open."""
    asked = _render(tokenizer, [_user(_SEEN)], options)
    header = asked.removeprefix(_render(tokenizer, [_user(_SEEN)], options, ask=False))
    header = header.partition(OPEN_THOUGHT)[0]
    if not header or header == asked:
        raise _unfit("add_generation_prompt adds nothing to a conversation")
    return header


def _render(
    tokenizer: Any, talk: list[Any], options: Mapping[str, Any], *, ask: bool = True
) -> str:
    try:
        return tokenizer.apply_chat_template(
            talk, tokenize=False, add_generation_prompt=ask, **options
        )
    except (TemplateError, TypeError) as error:
        raise _unfit(f"it cannot be rendered ({error})") from error


def _episode(*, results: int) -> list[Any]:
    """A first observation, an answer, and the result of it, if any."""
    arguments = {"answer": render_answer(_DONE)}
    call = {"type": "function", "function": {"name": TOOL, "arguments": arguments}}
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    return [_user(_SEEN), said, *[{"role": "tool", "name": TOOL, "content": _SEEN}] * results]


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _unfit(reason: str) -> RecipeError:
    return RecipeError(
        f"the chat template of the model cannot hold an episode: {reason}. Take a model whose "
        "template can, such as Qwen/Qwen3-8B or one of act-train tiny, or mend chat_template.jinja "
        "beside its tokenizer."
    )
