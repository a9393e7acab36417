"""Short stories of one to four sentences, from a grammar: people by their work, animals, ships, weather.

Nobody has a name. Verbs are written `present/past`, so that a story keeps to one tense.
"""

from dataclasses import dataclass
from random import Random

__all__ = ["ANIMALS", "PEOPLE", "WORK", "Story", "animal_fact", "story", "work_fact"]

WORK: dict[str, str] = {
    "keeper": "lights/lit the lamp|cleans/cleaned the glass|counts/counted the ships"
    "|climbs/climbed the stairs|writes/wrote in the book|sounds/sounded the horn|watches/watched the sea",
    "sailor": "pulls/pulled the rope|mends/mended the sail|sings/sang a song|washes/washed the deck"
    "|drops/dropped the anchor|rows/rowed to the shore",
    "captain": "reads/read the map|turns/turned the wheel|calls/called the crew|looks/looked at the stars"
    "|holds/held the course|waits/waited for the tide",
    "fisher": "throws/threw the net|pulls/pulled in the net|sells/sold the fish|mends/mended the net"
    "|rows/rowed out at dawn|carries/carried the catch home",
    "baker": "bakes/baked the bread|lights/lit the oven|mixes/mixed the dough|opens/opened the shop"
    "|sells/sold a warm loaf|sweeps/swept the floor",
    "gardener": "waters/watered the roses|digs/dug the beds|plants/planted a tree|cuts/cut the grass"
    "|picks/picked the apples|rests/rested in the shade",
    "farmer": "feeds/fed the hens|milks/milked the cow|ploughs/ploughed the field|mends/mended the fence"
    "|brings/brought in the hay|sells/sold the eggs",
    "doctor": "visits/visited the sick|washes/washed a wound|writes/wrote a note|gives/gave good advice"
    "|carries/carried a black bag|listens/listened to the child",
    "teacher": "rings/rang the bell|reads/read a story|draws/drew a map|asks/asked a question"
    "|writes/wrote on the board|opens/opened the window",
    "miller": "grinds/ground the corn|fills/filled the sacks|oils/oiled the wheel|watches/watched the wind"
    "|loads/loaded the cart|sells/sold the flour",
    "smith": "heats/heated the iron|makes/made a key|shoes/shod the horse|mends/mended the plough"
    "|blows/blew on the fire|hammers/hammered a nail",
    "carpenter": "builds/built a boat|saws/sawed the boards|makes/made a chair|measures/measured the door"
    "|mends/mended the roof|paints/painted the gate",
    "shepherd": "counts/counted the sheep|calls/called the dog|finds/found a lamb|closes/closed the gate"
    "|walks/walked up the hill|plays/played the flute",
    "painter": "paints/painted the harbour|mixes/mixed the blue|cleans/cleaned the brush"
    "|looks/looked at the light|sells/sold a picture|sits/sat by the window",
    "cook": "stirs/stirred the soup|peels/peeled the onions|tastes/tasted the stew|sets/set the table"
    "|boils/boiled the eggs|washes/washed the pots",
    "clerk": "counts/counted the coins|writes/wrote a letter|opens/opened the post|stamps/stamped the papers"
    "|closes/closed the office|finds/found the key",
    "weaver": "spins/spun the wool|weaves/wove a blanket|dyes/dyed the cloth|mends/mended a coat"
    "|sells/sold a scarf|winds/wound the thread",
    "guard": "locks/locked the gate|walks/walked round the wall|lights/lit a torch|rings/rang the bell"
    "|hears/heard a noise|keeps/kept the keys",
}
PEOPLE = tuple(WORK)
HABITS = (
    "drinks/drank some tea",
    "goes/went home",
    "eats/ate an apple",
    "looks/looked out of the window",
    "closes/closed the door",
    "sits/sat by the fire",
    "puts/put on a coat",
    "laughs/laughed",
    "goes/went to bed",
    "says/said nothing",
    "takes/took a lantern",
    "sleeps/slept well",
    "walks/walked to the harbour",
    "opens/opened a book",
)
ANIMALS: dict[str, tuple[str, str]] = {
    "cat": ("sleeps/slept on the wall|catches/caught a mouse|drinks/drank the milk", "says meow"),
    "dog": ("runs/ran along the beach|barks/barked at the moon|digs/dug a hole", "says woof"),
    "gull": ("flies/flew over the rocks|steals/stole a fish|sits/sat on the mast", "lives by the sea"),
    "seal": ("lies/lay on the sand|dives/dived under a wave|looks/looked at the boat", "eats fish"),
    "crab": ("walks/walked sideways|hides/hid under a stone|lifts/lifted a claw", "has ten legs"),
    "owl": ("sits/sat in the old tree|calls/called in the dark|turns/turned its head", "flies at night"),
    "horse": ("pulls/pulled the cart|eats/ate the grass|jumps/jumped the fence", "has four legs"),
    "fox": ("runs/ran across the field|looks/looked at the hens|sleeps/slept in its den", "lives in a den"),
    "hen": ("lays/laid an egg|scratches/scratched the ground|hides/hid in the barn", "lays eggs"),
    "bee": ("visits/visited a flower|flies/flew to the hive|finds/found the garden", "makes honey"),
    "whale": (
        "swims/swam past the cape|blows/blew a cloud of water|sings/sang in the deep",
        "lives in the sea",
    ),
    "mouse": ("eats/ate the cheese|runs/ran under the floor|hears/heard the cat", "is very small"),
    "goat": ("climbs/climbed the rock|eats/ate a hat|stands/stood on the roof", "gives milk"),
    "spider": ("spins/spun a web|waits/waited in the corner|catches/caught a fly", "has eight legs"),
}
LOOKS = (
    "old",
    "young",
    "small",
    "big",
    "grey",
    "brown",
    "white",
    "black",
    "quiet",
    "hungry",
    "happy",
    "tired",
)
MOODS = ("old", "young", "tired", "happy", "quiet", "kind", "careful", "clever")
WHEN = (
    "At dawn",
    "In the morning",
    "At noon",
    "In the evening",
    "At dusk",
    "At night",
    "On Monday",
    "On Friday",
    "Every day",
    "In spring",
    "In winter",
    "After the storm",
    "Before breakfast",
)
WEATHER = (
    ("the fog", "comes/came in", "the horn calls/called all night"),
    ("the rain", "falls/fell", "the streets are/were wet"),
    ("the snow", "falls/fell", "the hills are/were white"),
    ("the wind", "blows/blew hard", "the boats stay/stayed in the harbour"),
    ("the storm", "comes/came near", "nobody goes/went out"),
    ("the sun", "shines/shone", "the children play/played outside"),
    ("the frost", "comes/came", "the pond is/was hard as stone"),
    ("the tide", "goes/went out", "the crabs run/ran over the sand"),
    ("the moon", "rises/rose", "the sea is/was silver"),
)
COLOURS = ("red", "blue", "green", "white", "black", "yellow")
SHIPS = ("ship", "boat", "ferry", "barge", "schooner", "tug")
CARGO = ("salt", "coal", "apples", "wool", "timber", "corn", "fish", "letters", "iron", "tea")
COMPASS = ("north", "south", "east", "west")
PLACES = (
    "in the harbour",
    "on the hill",
    "by the river",
    "near the mill",
    "at the market",
    "on the beach",
    "under the bridge",
    "in the old house",
    "at the end of the street",
)
SAYINGS = (
    "It will rain",
    "The sea is calm today",
    "I am tired",
    "The lamp is bright",
    "The bread is warm",
    "Winter is near",
    "All is well",
    "Come in and sit down",
    "The tide is turning",
    "There is time",
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PAST = 1


@dataclass(frozen=True, slots=True)
class Story:
    """A text, and a question about it with its answer."""

    text: str
    question: str
    answer: str


def tensed(phrase: str, tense: int) -> str:
    """`lights/lit the lamp` in the present (0) or the past (1)."""
    words = (word.split("/") for word in phrase.split(" "))
    return " ".join(word[min(tense, len(word) - 1)] for word in words)


def sentence(text: str) -> str:
    """`text` with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def an(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def story(random: Random) -> Story:
    """A story of one to four sentences."""
    shape = random.choices((_of_work, _of_weather, _of_an_animal, _of_a_ship, _of_words), (5, 2, 3, 3, 2))[0]
    return shape(random)


def work_fact(random: Random) -> tuple[str, str]:
    """A question about what somebody does, and its answer."""
    person = random.choice(PEOPLE)
    return f"What does the {person} do?", f"The {person} {tensed(_act(random, person), 0)}."


def animal_fact(random: Random) -> tuple[str, str]:
    """A question about an animal, and its answer."""
    animal = random.choice(list(ANIMALS))
    return f"Tell me about the {animal}.", f"The {animal} {ANIMALS[animal][1]}."


def _act(random: Random, person: str) -> str:
    return random.choice(WORK[person].split("|"))


def _opening(random: Random) -> str:
    return "" if random.random() < 0.4 else f"{random.choice(WHEN)} "


def _of_work(random: Random) -> Story:
    person, tense = random.choice(PEOPLE), random.randrange(2)
    acts = random.sample(WORK[person].split("|"), 2)
    first = tensed(acts[0], tense)
    mood = f"{random.choice(MOODS)} " if random.random() < 0.3 else ""
    text = [sentence(f"{_opening(random)}the {mood}{person} {first}")]
    pronoun = random.choice(("he", "she"))
    if random.random() < 0.6:
        text.append(sentence(f"then {pronoun} {tensed(acts[1], tense)}"))
    if random.random() < 0.4:
        name, does, follows = random.choice(WEATHER)
        text.append(sentence(f"{name} {tensed(does, tense)}, and {tensed(follows, tense)}"))
    if random.random() < 0.5:
        text.append(sentence(f"at last {pronoun} {tensed(random.choice(HABITS), tense)}"))
    return Story(" ".join(text), f"Who {first}?", f"The {person}.")


def _of_weather(random: Random) -> Story:
    tense = random.randrange(2)
    name, does, follows = random.choice(WEATHER)
    text = [sentence(f"{_opening(random)}{name} {tensed(does, tense)}, so {tensed(follows, tense)}")]
    if random.random() < 0.5:
        person = random.choice(PEOPLE)
        text.append(sentence(f"the {person} {tensed(random.choice(HABITS), tense)}"))
    if random.random() < 0.3:
        text.append(f"It {'was' if tense else 'is'} {random.randrange(-9, 30)} °C {random.choice(PLACES)}.")
    return Story(" ".join(text), f"What {tensed(does, tense)}?", sentence(name))


def _of_an_animal(random: Random) -> Story:
    animal, tense = random.choice(list(ANIMALS)), random.randrange(2)
    acts = random.sample(ANIMALS[animal][0].split("|"), 2)
    look = random.choice(LOOKS)
    text = [sentence(f"{an(look)} {animal} {tensed(acts[0], tense)}")]
    if random.random() < 0.5:
        text.append(sentence(f"then it {tensed(acts[1], tense)}"))
    if random.random() < 0.5:
        person = random.choice(PEOPLE)
        saw = random.choice(("sees/saw it", "likes/liked it", "gives/gave it some bread", "smiles/smiled"))
        text.append(sentence(f"the {person} {tensed(saw, tense)}"))
    return Story(" ".join(text), f"What kind of {animal} is it?", sentence(f"{an(look)} {animal}"))


def _of_a_ship(random: Random) -> Story:
    tense, colour, ship = random.randrange(2), random.choice(COLOURS), random.choice(SHIPS)
    cargo, where = random.choice(CARGO), random.choice(COMPASS)
    text = [sentence(f"{an(colour)} {ship} {tensed('comes/came', tense)} from the {where} with {cargo}")]
    if random.random() < 0.5:
        text.append(sentence(f"the captain {tensed(_act(random, 'captain'), tense)}"))
    if random.random() < 0.5:
        wind = random.choice(("fair wind", "no wind", "strong wind", "fog", "rain"))
        count = random.choice(NUMBERS)
        ships = f"{count} {'ship' if count == 'one' else 'ships'}"
        text.append(f"The keeper {tensed('writes/wrote', tense)}: {ships}, {wind}, lamp bright.")
    return Story(" ".join(text), f"What {tensed('does/did', tense)} the {ship} bring?", sentence(cargo))


def _of_words(random: Random) -> Story:
    speaker, other = random.sample(PEOPLE, 2)
    saying, tense = random.choice(SAYINGS), random.randrange(2)
    text = [f'"{saying}," {tensed("says/said", tense)} the {speaker} {random.choice(PLACES)}.']
    if random.random() < 0.6:
        text.append(f'"{random.choice(SAYINGS)}," {tensed("answers/answered", tense)} the {other}.')
    if random.random() < 0.5:
        text.append(sentence(f"the {other} {tensed(random.choice(HABITS), tense)}"))
    return Story(" ".join(text), f"What {tensed('does/did', tense)} the {speaker} say?", f"{saying}.")
