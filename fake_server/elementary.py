"""exp, log, powers and hashes that give the same bits on every machine.

The library functions `exp`, `log` and `pow` differ in the last bit between processors and libraries. IEEE
addition, multiplication, division and square root do not, so everything here is made of those: a scripted
answer recorded on one machine is the answer on every other.
"""

from collections.abc import Iterator
from hashlib import blake2b
from math import factorial, ldexp
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "Flags",
    "Floats",
    "Ints",
    "Words",
    "digest",
    "exp",
    "exp_of",
    "log",
    "mix",
    "mix_of",
    "power",
    "uniforms",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
F = TypeVar("F", float, Floats)

WORD = (1 << 64) - 1
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Source: splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014."""

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 in two parts; products of the first with an exponent are exact. Source: fdlibm e_exp.c."""
INVERSE_LN2, ROOT_HALF = 1.44269504088896338700, 0.70710678118654752440
EXP_TERMS = tuple(1 / factorial(n) for n in range(13, -1, -1))
EXP_ARRAYS = tuple(map(np.array, EXP_TERMS))
LOG_ARRAYS = tuple(np.array(2 / n) for n in range(21, 0, -2))
"""Arrays without dimensions: numpy takes a quarter less time to multiply or add them than numbers."""
FARTHEST = 800.0
"""Beyond this exp is 0 or infinite. Source: ours: past the range of float64, 709.8 and -745.2."""

FIRST_BLOCK, LARGEST_BLOCK = 64, 4096
"""Uniforms made at once. Source: ours: most sequences end early, long ones should not pay per call."""


def digest(*parts: object) -> int:
    """A 64-bit word from the texts of `parts`; equal texts give equal words in every process."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def mix(words: Words) -> Words:
    """Scramble 64-bit words, one to one: the output step of splitmix64."""
    words = words + np.uint64(STEP)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(SECOND)
    return words ^ (words >> np.uint64(31))


def mix_of(word: int) -> int:
    """`mix` of a single word."""
    word = (word + STEP) & WORD
    word = ((word ^ (word >> 30)) * FIRST) & WORD
    word = ((word ^ (word >> 27)) * SECOND) & WORD
    return word ^ (word >> 31)


def uniforms(key: int, count: int) -> Iterator[float]:
    """The first `count` numbers in [0, 1) of the stream `key`, 53 random bits each."""
    start, size = 0, FIRST_BLOCK
    while start < count:
        size = min(size, count - start)
        states = np.arange(start, start + size, dtype=np.uint64) * np.uint64(STEP) + np.uint64(key)
        yield from ((mix(states) >> np.uint64(11)) * 2.0**-53).tolist()
        start, size = start + size, min(2 * size, LARGEST_BLOCK)


def exp(x: Floats) -> Floats:
    """E to the power of each number, within 2 units in the last place; infinite above 709.8."""
    x = np.minimum(np.maximum(x, -FARTHEST), FARTHEST)
    exponents = np.rint(x * INVERSE_LN2)
    rest = (x - exponents * LN2_HIGH) - exponents * LN2_LOW
    with np.errstate(over="ignore", under="ignore"):
        powers: Floats = np.ldexp(_polynomial(EXP_ARRAYS, rest), exponents.astype(np.int32))
    return powers


def exp_of(x: float) -> float:
    """`exp` of a single number of at most 0, bit for bit."""
    x = max(x, -FARTHEST)
    exponent = round(x * INVERSE_LN2)
    return ldexp(_polynomial(EXP_TERMS, (x - exponent * LN2_HIGH) - exponent * LN2_LOW), exponent)


def log(x: Floats) -> Floats:
    """The natural logarithm of each positive number, within 2 units in the last place."""
    fractions, exponents = np.frexp(x)
    small = fractions < ROOT_HALF
    fractions = np.where(small, fractions * 2, fractions)
    shifts = (exponents - small).astype(np.float64)
    ratio = (fractions - 1) / (fractions + 1)
    series: Floats = ratio * _polynomial(LOG_ARRAYS, ratio * ratio)
    return shifts * LN2_HIGH + (series + shifts * LN2_LOW)


def power(number: float, exponent: int) -> float:
    """`number` to a whole power of at least 0, by squaring."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= number
        number *= number
        exponent >>= 1
    return result


def _polynomial(terms: tuple[F, ...], x: F) -> F:
    """Horner's rule: `terms` from the highest power down; an array is made once."""
    result = x * terms[0]
    for term in terms[1:-1]:
        result += term
        result *= x
    result += terms[-1]
    return result
