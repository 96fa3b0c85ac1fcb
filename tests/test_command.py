"""Members trained by a user's own program: the same numbers, and what becomes of failures."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
import torch
from command_programs import LIKE_ENGINE, PYTHON, WORDS, enter, failing, setting
from lr_curves import lr_losses

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule
from paramsearch.train.command import Command
from paramsearch.train.population import Member
from paramsearch.train.processes import Call, run_all
from paramsearch.train.program import Program, run_program
from paramsearch.train.reply import losses_in

RULES = [Rule.load("sp"), Rule.load("mup")]
MEMBERS = [Member(rule, lr, seed) for rule in (0, 1) for lr in (0.01, 0.02) for seed in (3, 4)]


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    enter(tmp_path, monkeypatch)


def program(code, words=WORDS, width=64, **options):
    """A program of Python code without packages, at one width."""
    Path("program.py").write_text(code)
    command = Command(f"{PYTHON} program.py {words}", **options)
    return Program(command, {"width": width, "depth": 3})


def ran(code, members=MEMBERS, notes=None, **options):
    on_note = [].append if notes is None else notes.append
    return run_program(program(code, **options), RULES, members, 4, lambda _: None, on_note)


def test_the_program_trains_what_the_engine_trains():
    Path("train.py").write_text(LIKE_ENGINE)
    text = f"{sys.executable} train.py {{rule}} {{width}} {{lr}} {{seed}} {{steps}}"
    mine, engine = setting(Command(text)), setting(None)
    found = lr_losses(mine, 64, RULES[1:], [0.01], [5])
    expected = lr_losses(engine, 64, RULES[1:], [0.01], [5])
    assert found == pytest.approx(expected, abs=1e-4)


def test_every_member_gets_its_own_values():
    code = "import json, sys; print(json.dumps({'loss': float(sys.argv[3]) + int(sys.argv[4])}))"
    expected = [member.lr + member.seed for member in MEMBERS]
    assert ran(code).final.tolist() == pytest.approx(expected)


def test_every_member_gets_the_file_of_its_rule():
    code = "import sys; t = open(sys.argv[1]).read(); print('{\"loss\": %d}' % ('name: mup' in t))"
    assert ran(code).final.tolist() == [float(member.rule) for member in MEMBERS]


def test_each_run_has_a_folder_of_its_own_that_is_gone_after_it():
    code = "import os, sys; d = sys.argv[1]; open(d + '/x', 'x'); print('{\"loss\": 1}', d)"
    code = code.replace("print(", "open('log', 'a').write(d + '\\n'); print('{\"loss\": 1}') #")
    assert ran(code, words="{out}").survived.tolist() == [1.0] * len(MEMBERS)
    folders = Path("log").read_text().split()
    assert len(set(folders)) == len(MEMBERS) and not any(Path(d).exists() for d in folders)


def test_the_last_quarter_of_what_is_printed_counts():
    code = "import sys; print({'0.01': '{\"losses\": [9, 9, 9, 9, 9, 9, 1, 3]}'}.get(sys.argv[3], "
    found = ran(code + "'{\"loss\": 5}'))", members=[Member(0, 0.01, 0), Member(0, 0.02, 0)])
    assert found.final.tolist() == [2.0, 5.0]
    assert found.losses.tolist() == [[9, 9, 9, 9, 9, 9, 1, 3], [5] * 8]


# What one member does -> what the user is told of it, and the share of the steps it survived.
FAILURES = {
    "sys.exit('first\\nboom')": (r"exited with code 1: boom \(at width=64, depth=3, lr=0\.02", 0),
    "sys.exit(3)": (r"exited with code 3 \(at", 0),
    "os.kill(os.getpid(), 9)": (r"was killed by SIGKILL \(at", 0),
    "time.sleep(60)": (r"took more than 5 s and was killed \(at", 0),
    "print('done')": (r"printed no line of JSON; allowed: \{\"losses\": \[2", 0),
    "print('{\"acc\": 1}')": (r"printed JSON with acc; allowed: ", 0),
    'print(\'{"losses": "low"}\')': (r'printed losses "low"; allowed: ', 0),
    "print('{\"losses\": []}')": (r"printed losses \[\]; allowed: ", 0),
    "print('{\"loss\": true}')": (r"printed loss with true; allowed: numbers", 0),
}


@pytest.mark.parametrize("does", FAILURES)
def test_a_failure_is_one_sentence_and_the_others_go_on(does):
    notes, (says, share) = [], FAILURES[does]
    members = [Member(0, lr, 3) for lr in (0.01, 0.02, 0.04)]
    found = ran(failing(does), members=members, notes=notes, timeout=5)
    assert found.final.tolist() == [1, float("inf"), 1]
    assert found.survived.tolist() == [1, share, 1]
    assert len(notes) == 1 and re.match(f"the command {says}", notes[0])
    assert notes[0].endswith("; such runs count as failed")
    assert list(found.failures) == [1] and re.match(says.split(" \\(at")[0], found.failures[1])


# What one member prints -> the share of the steps it survived.
DIVERGED = {"print('{\"loss\": NaN}')": 0, "print('{\"losses\": [2, null]}')": 0.5}


@pytest.mark.parametrize("does", DIVERGED)
def test_a_loss_that_is_not_finite_is_told_and_recorded_as_failed(does):
    notes = []
    found = ran(failing(does), members=[Member(0, lr, 3) for lr in (0.01, 0.02)], notes=notes)
    assert found.survived.tolist() == [1, DIVERGED[does]]
    assert found.failures == {1: "printed a loss that is not a finite number"}
    assert len(notes) == 1 and notes[0].endswith("seed=3); such runs count as failed")
    assert "the command printed a loss that is not a finite number (at width" in notes[0]


def test_the_same_failure_has_the_same_words_wherever_its_files_are():
    code = failing("sys.exit('cannot read ' + sys.argv[1])")
    found = [ran(code, members=[Member(1, lr, 3) for lr in (0.01, 0.02)]) for _ in range(2)]
    assert found[0].failures == found[1].failures
    assert found[0].failures[1] == "exited with code 1: cannot read rule-1.yaml"


def test_failures_that_differ_in_numbers_are_told_once():
    notes = []
    ran(failing("sys.exit('loss ' + sys.argv[4])"), notes=notes)
    assert len(notes) == 1


def test_where_every_run_at_a_scale_fails_the_first_sentence_is_the_error():
    says = r"every run of the command failed at width=64, depth=3, 8 in all; the first one exited w"
    with pytest.raises(ParamsearchError, match=says + "ith code 1: boom 3$"):
        ran("import sys; sys.exit('boom ' + sys.argv[4])")


@pytest.mark.parametrize("does", ["sys.exit(1)", "print('{\"loss\": NaN}')"])
def test_once_a_run_at_a_scale_has_worked_others_may_fail(does):
    place = program(failing(does))
    for lrs in ((0.01, 0.02), (0.02,)):
        members = [Member(0, lr, 0) for lr in lrs]
        found = run_program(place, RULES, members, 4, lambda _: None, lambda _: None)
    assert found.final.isinf().all()


def test_where_every_run_diverges_none_has_failed():
    assert ran("print('{\"loss\": NaN}')").final.isinf().all()


@pytest.mark.parametrize("jobs", [2, 5])
def test_several_at_once_give_the_same(jobs):
    heard, again = [], []
    uneven = failing("time.sleep(0.3 if sys.argv[4] == '3' else 0); sys.exit(sys.argv[1][-6])")
    one, many = ran(uneven, notes=heard), ran(uneven, notes=again, jobs=jobs)
    assert torch.equal(one.losses, many.losses)
    assert heard == again and "exited with code 1: 0 (at" in heard[0]


def test_an_interrupt_kills_what_runs(tmp_path):
    sleep = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    words = [(sys.executable, "-S", "-c", code) for code in ("0", sleep)]
    calls = [Call(each, tmp_path / str(n)) for n, each in enumerate(words)]
    for call in calls:
        call.folder.mkdir()

    def interrupted(index, ended):
        while not Path("pid").exists() or not Path("pid").read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_all(calls, 2, 60, interrupted)
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(int(Path("pid").read_text()), 0)


# Command -> what is wrong with it.
WRONG = {
    "": "--command: received nothing",
    "python 'x": r"cannot be split into words: no closing quotation",
    "python x {rule} {lr} {width} | tail": r"received '\|', which only a shell understands",
    "python x {rule} {lr} {wdth}": r"received \{wdth\}; allowed: \{rule\}, \{lr\}, .*\{width\}",
    "python x {lr} {width}": r"\{rule\} is missing, without which all runs would be the same",
    "python x {rule} {width}": r"\{lr\} is missing",
    "python x {rule} {lr} {depth}": r"\{width\} is missing",
    "pyton9 x {rule} {lr} {width}": "received 'pyton9'; allowed: a program on PATH",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_command_is_one_sentence(text):
    with pytest.raises(ParamsearchError, match=WRONG[text]):
        Command(text).check(["width", "depth"], "width")


def test_a_value_with_blanks_stays_one_word():
    assert Command("a '{rule} b' c").filled({"rule": "x y"}) == ["a", "x y b", "c"]


@pytest.mark.parametrize(("printed", "losses"), [('{"loss": 1e999}', "inf"), ("{\n}\n{}x", None)])
def test_odd_answers(printed, losses):
    if losses is None:
        with pytest.raises(ParamsearchError, match="printed no line of JSON"):
            losses_in(printed)
    else:
        assert losses_in(printed) == [float(losses)]
