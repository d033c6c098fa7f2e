#!/usr/bin/env python3
"""The error rates of rules about skills, exactly: `python3 benches/python/improve_table.py`.

It shares nothing with benches/improve.rs. It draws nothing: every rule depends on counts alone, so a walk over all counts
gives each probability. The e-values here are plain products.
"""

from math import comb, pi, sqrt

BETS, PAIR_BETS = (0.25, 0.5, 1, 1.5), (0.3, 0.6, 0.9)
Z95, Z90 = 1.959963984540054, 1.644853626951472
PREVIOUS = 30


def wilson(ok, n, z):
    if n == 0:
        return 0.0, 1.0
    p, d = ok / n, 1 + z * z / n
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (p + z * z / (2 * n) - half) / d, (p + z * z / (2 * n) + half) / d


def e_rate(ok, n, p0):
    bets = [min(bet, 0.95 / (1 - p0)) for bet in BETS]
    return sum((1 - bet * (1 - p0)) ** ok * (1 + bet * p0) ** (n - ok) for bet in bets) / len(bets)


def e_pairs(gains, losses):
    return sum((1 + bet) ** gains * (1 - bet) ** losses for bet in PAIR_BETS) / len(PAIR_BETS)


def stopped(start, steps, looks, stop):
    """The probability that a walk stops, and the look at which half of it has."""
    alive, at = {start: 1.0}, []
    for _ in range(looks):
        after, hit = {}, 0.0
        for state, weight in alive.items():
            for move, chance in steps:
                reached = (state[0] + move[0], state[1] + move[1])
                if stop(*reached):
                    hit += weight * chance
                else:
                    after[reached] = after.get(reached, 0.0) + weight * chance
        alive = after
        at.append(hit)
    total, seen = sum(at), 0.0
    for look, hit in enumerate(at, 1):
        seen += hit
        if seen >= total / 2:
            return total, look
    return total, 0


def uses(rate, looks, rule):
    """`rule(ok, n)` after each use."""
    return stopped((0, 0), (((1, 1), rate), ((0, 1), 1 - rate)), looks, rule)


def after_another(was, rate, rule):
    """`rule(previous_ok, ok, n)` after each use of the revision that follows."""
    total = 0.0
    for before in range(PREVIOUS + 1):
        weight = comb(PREVIOUS, before) * was**before * (1 - was) ** (PREVIOUS - before)
        if weight > 1e-7:
            total += weight * uses(rate, 100, lambda ok, n: rule(before, ok, n))[0]
    return total, None


def pairs(was, rate, threshold):
    up, down = (1 - was) * rate, was * (1 - rate)
    steps = (((1, 0), up), ((0, 1), down), ((0, 0), 1 - up - down))
    return stopped((0, 0), steps, 60, lambda gains, losses: e_pairs(gains, losses) >= threshold)


def gate(was, rate, attempts):
    worse, better = was * (1 - rate), (1 - was) * rate
    once = (1 - worse) ** 3 - (1 - worse - better) ** 3
    return 1 - (1 - once) ** attempts, None


def newcombe(before, ok, n):
    was, now = before / PREVIOUS, ok / n
    low, high = wilson(before, PREVIOUS, Z95)[0], wilson(ok, n, Z95)[1]
    return n >= 10 and was - now - sqrt((was - low) ** 2 + (high - now) ** 2) > 0


def show(name, found):
    chance, median = found
    print(f"  {name:<58} {100 * chance:7.2f} %" + (f"  median {median:3}" if median else ""))


def main():
    print("rewrite a revision, 200 uses")
    rules = {
        "rate < 0.40 from 10 on": lambda ok, n: n >= 10 and ok / n < 0.4,
        "Wilson 95 upper < 0.40": lambda ok, n: n >= 10 and wilson(ok, n, Z95)[1] < 0.4,
        "e-process at 20 (Kavi)": lambda ok, n: e_rate(ok, n, 0.4) >= 20,
    }
    for name, rule in rules.items():
        for rate in (0.6, 0.5, 0.4, 0.2, 0.1):
            show(f"{name}, p {rate}", uses(rate, 200, rule))
    print(f"roll back after {PREVIOUS} outcomes of the revision before, 100 uses")
    rules = {
        "raw drop >= 0.15": lambda before, ok, n: n >= 10 and before / PREVIOUS - ok / n >= 0.15,
        "Newcombe 95": newcombe,
        "e-process at the lower 90 % bound (Kavi)": lambda before, ok, n: e_rate(
            ok, n, wilson(before, PREVIOUS, Z90)[0]
        )
        >= 20,
    }
    for name, rule in rules.items():
        for was, rate in ((0.8, 0.8), (0.5, 0.5), (0.8, 0.3), (0.8, 0.5)):
            show(f"{name}, {was} -> {rate}", after_another(was, rate, rule))
    print("trust a revision within 20 uses")
    for rate in (0.5, 0.4):
        trial = lambda ok, n: n >= 3 and ok / n >= 0.8 and wilson(ok, n, Z95)[0] >= 0.4
        show(f"MicroClaw's trial, p {rate}", uses(rate, 20, trial))
    print("accept a candidate")
    for was, rate in ((0.5, 0.5), (0.7, 0.5)):
        for attempts in (1, 3):
            show(f"MicroClaw's gate, {attempts} attempts, {was} -> {rate}", gate(was, rate, attempts))
    for name, threshold in [("at 20", 20)] + [(f"attempt {k}", 20 * k * k * pi * pi / 6) for k in (1, 2, 3)]:
        for was, rate in ((0.5, 0.5), (0.7, 0.7), (0.7, 0.5), (0.5, 0.9), (0.5, 0.8)):
            show(f"paired e-process {name} ({threshold:.1f}, Kavi), {was} -> {rate}", pairs(was, rate, threshold))


if __name__ == "__main__":
    main()
