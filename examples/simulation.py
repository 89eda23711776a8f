#!/usr/bin/python3
"""Foragers on a diffusing field: a small agent simulation with numpy and an SQLite log.

    /usr/bin/python3 examples/simulation.py [--agents N] [--size N] [--steps N] [--database FILE]

A colony forages on a torus. Food grows and spreads as a numpy field; foragers climb its gradient, eat,
keep away from each other, share, breed and die. Every event goes into an SQLite log, one transaction
a step, and a report is queried from it at the end.

The last line printed is a checksum of the whole run: the same arguments give the same line. Besides
the field, the neighbour search and the log, it does one thing that long simulations often do and
should not: it keeps a copy of the field for every step, in `World.history`, and reads it only once.
"""

import argparse
import hashlib
import os
import sqlite3
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("simulation.py needs numpy: apt-get install python3-numpy, and run it with /usr/bin/python3")

CELL = 8.0  # side of a neighbourhood cell, and the distance at which foragers notice each other
CROWD = 6  # neighbours from which on a forager moves away instead of uphill
BIRTH_ENERGY = 9.0
UPKEEP = 0.35


class Forager:
    """One agent. Slots, since there are thousands."""

    __slots__ = ("name", "x", "y", "energy", "age", "heading")

    def __init__(self, name, x, y, energy, heading):
        self.name = name
        self.x = x
        self.y = y
        self.energy = energy
        self.age = 0
        self.heading = heading

    def move(self, dx, dy, size):
        self.x = (self.x + dx) % size
        self.y = (self.y + dy) % size

    def cell(self):
        return int(self.x // CELL), int(self.y // CELL)


class Scout(Forager):
    """Walks straight on and turns now and then; finds what the gradient does not show."""

    __slots__ = ()

    def direction(self, gradient, random):
        if random.random() < 0.1:
            self.heading = random.random() * 2 * np.pi
        return 2.0 * np.cos(self.heading), 2.0 * np.sin(self.heading)


class Climber(Forager):
    """Follows the food's gradient."""

    __slots__ = ()

    def direction(self, gradient, random):
        gx, gy = gradient[:, int(self.x), int(self.y)]
        length = (gx * gx + gy * gy) ** 0.5
        if length < 1e-6:
            return random.random() - 0.5, random.random() - 0.5
        return gx / length, gy / length


class Field:
    """Food on a torus: diffusion, logistic growth, and what the foragers take."""

    def __init__(self, size, random):
        self.size = size
        self.food = random.random((size, size))
        self.fertility = 0.001 + 0.006 * self.smooth(random.random((size, size)), 20)

    @staticmethod
    def laplacian(grid):
        return (
            np.roll(grid, 1, 0) + np.roll(grid, -1, 0) + np.roll(grid, 1, 1) + np.roll(grid, -1, 1) - 4.0 * grid
        )

    def smooth(self, grid, rounds):
        for _ in range(rounds):
            grid = grid + 0.2 * self.laplacian(grid)
        return grid

    def diffuse(self):
        for _ in range(3):
            self.food += 0.15 * self.laplacian(self.food)
        self.food += self.fertility * self.food * (3.0 - self.food)
        np.clip(self.food, 0.0, 3.0, out=self.food)

    def gradient(self):
        return np.array(np.gradient(self.food))

    def eat(self, x, y, wanted):
        taken = min(wanted, self.food[x, y])
        self.food[x, y] -= taken
        return taken


class EventLog:
    """The SQLite log: one row an event, one transaction a step."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(
            """
            CREATE TABLE event (step INTEGER, agent INTEGER, kind TEXT, x REAL, y REAL, amount REAL);
            CREATE TABLE census (step INTEGER PRIMARY KEY, agents INTEGER, energy REAL, food REAL);
            """
        )
        self.rows = []

    def record(self, step, agent, kind, amount):
        self.rows.append((step, agent.name, kind, round(agent.x, 3), round(agent.y, 3), round(amount, 6)))

    def commit(self, step, agents, food):
        energy = sum(agent.energy for agent in agents)
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", self.rows)
        self.connection.execute("INSERT INTO census VALUES (?, ?, ?, ?)", (step, len(agents), energy, food))
        self.connection.execute("COMMIT")
        self.rows.clear()

    def busiest(self):
        """The report: who ate most, in how many meals, and how often they shared."""
        return self.connection.execute(
            """
            SELECT agent, meals, eaten,
                   (SELECT count(*) FROM event WHERE event.agent = best.agent AND kind = 'share')
            FROM (SELECT agent, count(*) AS meals, round(sum(amount), 3) AS eaten FROM event
                  WHERE kind = 'eat' GROUP BY agent ORDER BY eaten DESC, agent LIMIT 5) AS best
            """
        ).fetchall()

    def totals(self):
        return self.connection.execute(
            "SELECT kind, count(*), round(sum(amount), 3) FROM event GROUP BY kind ORDER BY kind"
        ).fetchall()

    def close(self):
        self.connection.close()


class World:
    def __init__(self, size, agents, database, seed):
        self.size = size
        self.random = np.random.default_rng(seed)
        self.field = Field(size, self.random)
        self.log = EventLog(database)
        self.history = []  # grows by a copy of the field every step
        self.born = 0
        self.agents = [self.birth() for _ in range(agents)]

    def birth(self, parent=None):
        kind = Scout if self.born % 7 == 0 else Climber
        self.born += 1
        if parent is None:
            x, y = self.random.random(2) * self.size
            return kind(self.born, x, y, 5.0, self.random.random() * 2 * np.pi)
        parent.energy /= 2
        return kind(self.born, parent.x, parent.y, parent.energy, self.random.random() * 2 * np.pi)

    def neighbourhoods(self):
        cells = {}
        for agent in self.agents:
            cells.setdefault(agent.cell(), []).append(agent)
        return cells

    def neighbours(self, cells, agent):
        """Those within CELL of the agent, looked for in its cell and the eight around it."""
        found = []
        across = int(self.size // CELL)
        column, row = agent.cell()
        for i in (column - 1, column, column + 1):
            for j in (row - 1, row, row + 1):
                for other in cells.get((i % across, j % across), ()):
                    dx = abs(agent.x - other.x)
                    dy = abs(agent.y - other.y)
                    dx = min(dx, self.size - dx)
                    dy = min(dy, self.size - dy)
                    if other is not agent and dx * dx + dy * dy < CELL * CELL:
                        found.append(other)
        return found

    def move(self, agent, near, gradient):
        dx, dy = agent.direction(gradient, self.random)
        if len(near) >= CROWD:
            dx = agent.x - sum(other.x for other in near) / len(near)
            dy = agent.y - sum(other.y for other in near) / len(near)
            length = max((dx * dx + dy * dy) ** 0.5, 1e-6)
            dx, dy = dx / length, dy / length
        agent.move(dx, dy, self.size)

    def feed(self, step, agent, near):
        eaten = self.field.eat(int(agent.x), int(agent.y), 0.8)
        agent.energy += eaten - UPKEEP
        agent.age += 1
        if eaten > 0.05:
            self.log.record(step, agent, "eat", eaten)
        if agent.energy > BIRTH_ENERGY - 2 and near:
            poorest = min(near, key=lambda other: (other.energy, other.name))
            if poorest.energy < 1.0:
                agent.energy -= 1.0
                poorest.energy += 1.0
                self.log.record(step, agent, "share", 1.0)

    def renew(self, step):
        alive = []
        for agent in self.agents:
            if agent.energy <= 0.0:
                self.log.record(step, agent, "die", agent.age)
                continue
            alive.append(agent)
            if agent.energy > BIRTH_ENERGY:
                child = self.birth(agent)
                self.log.record(step, child, "born", child.energy)
                alive.append(child)
        self.agents = alive

    def step(self, step):
        self.field.diffuse()
        gradient = self.field.gradient()
        cells = self.neighbourhoods()
        for agent in self.agents:
            near = self.neighbours(cells, agent)
            self.move(agent, near, gradient)
            self.feed(step, agent, near)
        self.renew(step)
        self.history.append(self.field.food.copy())
        self.log.commit(step, self.agents, float(self.field.food.sum()))

    def run(self, steps):
        for step in range(steps):
            self.step(step)

    def checksum(self):
        digest = hashlib.sha256()
        for row in self.log.totals() + self.log.busiest():
            digest.update(repr(row).encode())
        for agent in self.agents:
            digest.update(f"{agent.name} {agent.x:.6f} {agent.y:.6f} {agent.energy:.6f}\n".encode())
        digest.update(f"{np.mean(self.history):.6f}".encode())
        return digest.hexdigest()[:16]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=600, help="foragers at the start (600)")
    parser.add_argument("--size", type=int, default=256, help="side of the field in cells (256)")
    parser.add_argument("--steps", type=int, default=120, help="steps (120)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all randomness (1)")
    parser.add_argument("--database", help="keep the event log in this file; it must not exist")
    return parser.parse_args()


def main():
    options = arguments()
    if options.database and os.path.exists(options.database):
        sys.exit(f"simulation.py: {options.database} exists")
    with tempfile.TemporaryDirectory() as scratch:
        world = World(options.size, options.agents, options.database or f"{scratch}/events.db", options.seed)
        world.run(options.steps)
        for kind, count, amount in world.log.totals():
            print(f"{kind:6} {count:8} {amount:12.3f}")
        for agent, meals, eaten, shared in world.log.busiest():
            print(f"forager {agent}: {meals} meals, {eaten} eaten, shared {shared} times")
        print(f"{len(world.agents)} of {world.born} foragers alive, {len(world.history)} fields kept")
        print(f"checksum {world.checksum()}")
        world.log.close()


if __name__ == "__main__":
    main()
