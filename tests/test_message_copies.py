"""Messages are pickled and copied as every namedtuple is: their class is found where it was registered."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pygnetic as net
from pygnetic.message import MessageFactory

ROOT = Path(net.__file__).parent.parent

factory = MessageFactory("json")
chat_msg = factory.register("chat_msg", ("player", "msg"))


def test_the_class_belongs_to_the_module_that_registers_it() -> None:
    assert chat_msg.__module__ == __name__
    assert net.register("echo", ("text",)).__module__ == __name__
    program: dict[str, Any] = {"__name__": "game.messages", "net": net}
    exec("move = net.register('move', ('x',))\nshot = net.message.MessageFactory('json').register('shot')", program)
    assert program["move"].__module__ == program["shot"].__module__ == "game.messages"
    assert net.message.message_factory.get_by_name("update_remoteobject").__module__ != __name__


def test_a_python_without_frames_registers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "_getframe")
    assert MessageFactory("json").register("move", ("x",))(1) == (1,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_message_is_pickled(protocol: int) -> None:
    message = chat_msg("Tom", ["hi"])
    back = pickle.loads(pickle.dumps(message, protocol))
    assert back == message and type(back) is chat_msg
    assert pickle.loads(pickle.dumps(chat_msg, protocol)) is chat_msg


def test_a_message_is_copied() -> None:
    message = chat_msg("Tom", ["hi"])
    for back in (copy.copy(message), copy.deepcopy(message)):
        assert back == message and type(back) is chat_msg
    assert copy.copy(message).msg is message.msg and copy.deepcopy(message).msg is not message.msg


PROGRAM = """
import multiprocessing
import pygnetic as net

chat_msg = net.register("chat_msg", ("player", "msg"))

def answer(questions, answers):
    message = questions.get(timeout=20)
    assert type(message) is chat_msg, type(message)
    answers.put(chat_msg(message.player, message.msg.upper()))

if __name__ == "__main__":
    start = multiprocessing.get_context("spawn")
    questions, answers = start.Queue(), start.Queue()
    process = start.Process(target=answer, args=(questions, answers), daemon=True)
    process.start()
    questions.put(chat_msg("Tom", "hi"))
    message = answers.get(timeout=20)
    assert type(message) is chat_msg, type(message)
    print(message)
    process.join(20)
"""


def test_messages_travel_between_two_processes(tmp_path: Path) -> None:
    program = tmp_path / "game.py"
    program.write_text(PROGRAM)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("chat_msg(player='Tom', msg='HI')\n", 0), done.stderr
