#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The models beside the code hold, Spin finds every mistake planted in them, and they are of the code as it is.

A model is checked at each of its bounds: all of its states, within them. ALEX_MODEL_BOUND=large does that at larger
bounds, for which it takes minutes and gigabytes. What is run stays in the build directory: `spin -k model.pml.trail -p
model.pml` there shows the way to an error.
"""

import os
import re
import resource
import shutil
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])
RUNS_DIR = Path(os.environ["ALEX_BUILD_DIR"]) / "spin"

# A model's bounds: what is reached in none of them has to be marked in it, and a mistake has to be found in one.
EPOCH = "src/mvcc/epoch.pml"
MVCC = "src/mvcc/mvcc.pml"
CHAIN = "src/mvcc/chain.pml"
NODE = "src/index/node.pml"
BOUNDS = {
    EPOCH: ["READERS=2 SECTIONS=1 THINGS=2", "READERS=1 SECTIONS=3 THINGS=3", "READERS=1 SECTIONS=2 THINGS=2 LIGHT=1"],
    MVCC: ["READERS=1 RECORDS=3", "READERS=2 RECORDS=2 RENEWALS=0", "READERS=1 RECORDS=2 READS=2"],
    CHAIN: ["READERS=1 RECORDS=3", "READERS=2 RECORDS=3 RENEWALS=0"],
    NODE: ["STEPS=2 KEYS=4", "STEPS=2 KEYS=4 UNMARKED=1"],
}
LARGE_BOUNDS = {
    EPOCH: ["READERS=2 SECTIONS=2 THINGS=2", "READERS=2 SECTIONS=1 THINGS=3", "READERS=1 SECTIONS=4 THINGS=4",
            "READERS=2 SECTIONS=1 THINGS=2 LIGHT=1", "READERS=1 SECTIONS=3 THINGS=3 LIGHT=1"],
    MVCC: ["READERS=1 RECORDS=4", "READERS=2 RECORDS=2 RENEWALS=1", "READERS=1 RECORDS=3 READS=2"],
    CHAIN: ["READERS=1 RECORDS=4", "READERS=2 RECORDS=3"],
    NODE: ["STEPS=2 KEYS=6", "STEPS=3 KEYS=4", "STEPS=2 KEYS=6 UNMARKED=1"],
}
LARGE = os.environ.get("ALEX_MODEL_BOUND") == "large"
MEMORY_MB = 16000 if LARGE else 1500
DEPTH = 1000000 if LARGE else 100000

pool = ThreadPoolExecutor(os.cpu_count())


class Run:
    """One model at one bound, with a mistake or without, checked by Spin."""

    def __init__(self, model, bound, plant=None):
        self.folder = RUNS_DIR / "_".join([Path(model).stem, *re.findall(r"\w+", bound), *([plant] if plant else [])])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.lines = expand(SOURCE_DIR / model)
        text = "".join(f"{line}\n" for _, _, line in self.lines)
        (self.folder / "model.pml").write_text(text, encoding="utf-8")
        defines = [f"-D{define}" for define in [*bound.split(), *([f"PLANT={plant}"] if plant else [])]]
        self.call("spin", "-a", *defines, "model.pml")
        # A mistake is found long before an optimiser would have paid.
        self.call(os.environ.get("CC", "cc"), "-O0" if plant else "-O1", "-w", "-DSAFETY", "-DCOLLAPSE",
                  f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c")
        self.output = self.call("./pan", f"-m{DEPTH}", "-b")
        self.states = self.call("./pan", "-d")

    def call(self, *command):
        def limit():
            memory = (MEMORY_MB + 500) << 20
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

        done = subprocess.run(command, cwd=self.folder, preexec_fn=limit, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise AssertionError(f"{self.folder}: {' '.join(command)} failed:\n{done.stdout}")
        return done.stdout

    def found_error(self):
        return re.search(r"errors: [1-9]", self.output) is not None and "pan:1: " in self.output

    def is_complete(self):
        return ("errors: 0" in self.output and "Search not completed" not in self.output
                and "max search depth too small" not in self.output)

    def reached(self):
        """The lines that have states, each with whether one of them is reached."""
        states = set()
        for process, part in split_processes(self.states, r"^(proctype \w+|init)"):
            for state, line in re.findall(r"^\tstate +(\d+) .*model\.pml:(\d+) =>", part, re.MULTILINE):
                states.add((process, state, int(line)))
        unreached = set()
        for process, part in split_processes(self.output, r"^unreached in (proctype \w+|init)"):
            for line, state in re.findall(r"^\tmodel\.pml:(\d+), state (\d+),", part, re.MULTILINE):
                unreached.add((process, state, int(line)))
        lines = {}
        for state in states:
            path, number, _ = self.lines[state[2] - 1]
            lines[path, number] = lines.get((path, number), False) or state not in unreached
        return lines


def split_processes(text, heading):
    """What follows each heading, with the heading's name."""
    parts = re.split(heading, text, flags=re.MULTILINE)
    return zip(parts[1::2], parts[2::2])


def expand(path):
    """A model's lines with what it includes, each with where it is from."""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        include = re.match(r'#include "(.*)"', line)
        lines += expand(path.parent / include.group(1)) if include else [(path, number, line)]
    return lines


def plants_of(model):
    """The mistakes that a model can be built with."""
    text = (SOURCE_DIR / model).read_text(encoding="utf-8")
    mistakes = text.partition("/* Mistakes, ")[2].partition("\n\n")[0]
    return re.findall(r"^#define (\w+) \d+ +/\* ", mistakes, re.MULTILINE)


def body_of(path, function):
    """The text of a C function."""
    text = (SOURCE_DIR / path).read_text(encoding="utf-8")
    found = re.search(rf"^\w[\w *()]*\b{function}\([^;{{}}]*\)\n{{\n.*?^}}\n", text, re.MULTILINE | re.DOTALL)
    return found.group(0) if found else None


def orders_of(body):
    """The memory orders of the atomic operations in the text of a function, in their order; those of fences that are
    for the compiler alone begin with "signal_"."""
    calls = r"atomic_(?:load|store|exchange|fetch_\w+?|compare_exchange_\w+?)"
    orders = re.findall(rf"(?:atomic_(signal_)fence\()?memory_order_(\w+)|\b({calls})\(", body)
    return [signal + (order or "seq_cst") for signal, order, call in orders if order or not call.endswith("_explicit")]


def check(model):
    return [pool.submit(Run, model, bound) for bound in (LARGE_BOUNDS if LARGE else BOUNDS)[model]]


def find(model, plant):
    """Whether Spin finds a mistake at one of the bounds."""
    return any(Run(model, bound, plant).found_error() for bound in BOUNDS[model])


def setUpModule():
    """Begins all runs; each test waits for its own."""
    if shutil.which("spin") is None:
        raise unittest.SkipTest("there is no spin, which checks the models: tools/install-dependencies test")
    for case in CASES:
        case.runs = check(case.model)
    for case in CASES:
        case.mistakes = {plant: pool.submit(find, case.model, plant) for plant in plants_of(case.model)}


class Model:
    """The tests of one model; those of mistakes are added below."""

    def test_claims(self):
        """The model's claims hold in all of its states, and no line of it is there for nothing."""
        reached = {}
        for run in self.runs:
            run = run.result()
            self.assertTrue(run.is_complete(), run.output)
            for line, is_reached in run.reached().items():
                reached[line] = reached.get(line, False) or is_reached
        for (path, number), is_reached in sorted(reached.items()):
            lines = path.read_text(encoding="utf-8").splitlines()
            marked = "unreached: " in lines[number - 1] or "unreached: " in lines[number - 2]
            self.assertNotEqual(marked, is_reached, f"{path}:{number}: {'' if is_reached else 'un'}reached")

    def test_functions(self):
        """What the model says it models is there, with the memory orders that it says."""
        text = (SOURCE_DIR / self.model).read_text(encoding="utf-8")
        functions = re.findall(r"^ \*   (src/[\w/.]+): (\w+) +(-|[a-z_]+(?: [a-z_]+)*)$", text, re.MULTILINE)
        self.assertNotEqual([], functions)
        for path, function, orders in functions:
            with self.subTest(function):
                body = body_of(path, function)
                self.assertIsNotNone(body, f"there is no {function}() in {path} any more")
                self.assertEqual(orders, " ".join(orders_of(body)) or "-",
                                 f"{function}() in {path} has changed: look whether {self.model} has to, too")


class Epoch(Model, unittest.TestCase):
    model = EPOCH


class Mvcc(Model, unittest.TestCase):
    model = MVCC


class Chain(Model, unittest.TestCase):
    model = CHAIN


class Node(Model, unittest.TestCase):
    model = NODE


CASES = [Epoch, Mvcc, Chain, Node]


def add_mistake(case, plant):
    def test(self):
        self.assertTrue(self.mistakes[plant].result(), f"Spin does not find {plant} in {self.model}")

    test.__doc__ = f"Spin finds the mistake {plant}."
    setattr(case, f"test_mistake_{plant.lower()}", test)


def add_mistakes():
    for case in CASES:
        for plant in plants_of(case.model):
            add_mistake(case, plant)


add_mistakes()

if __name__ == "__main__":
    unittest.main()
