"""What a framework of the demo consists of, and the smallest of the three: the cooperative's learning record.

A `CreditPlan` is a credit before anybody has earned it; `make_transcripts` turns it into one that a student has.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreditPlan:
    """A credit of a framework. Each competency is written `Name: what a student does`."""

    name: str
    description: str
    competencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """A group of credits; the later half of them counts as advanced."""

    id: str
    code: str
    name: str
    colour: str | None
    credits: tuple[CreditPlan, ...]


@dataclass(frozen=True, slots=True)
class FrameworkPlan:
    """A school's own framework: levels from the lowest to the highest, each `id, name, description`."""

    id: str
    name: str
    publisher: str
    kind: str
    levels: tuple[tuple[str, str, str], ...]
    required_level: str | None
    areas: tuple[AreaPlan, ...]


LEARNING_RECORD = FrameworkPlan(
    id="two-coasts-2025",
    name="Two Coasts Learning Record",
    publisher="Two Coasts Cooperative",
    kind="learning-record",
    levels=(
        ("noticing", "Noticing", "Sees what the task asks for and tries it with an example at hand."),
        ("practising", "Practising", "Does it with help and can say which part is still hard."),
        ("working", "Working", "Does it alone in a familiar setting."),
        ("adapting", "Adapting", "Carries it over to a setting that is new and says what had to change."),
        ("leading", "Leading", "Does it so well that others learn from it."),
    ),
    required_level=None,
    areas=(
        AreaPlan(
            "inquiry",
            "IN",
            "Inquiry",
            "#2a6f97",
            (
                CreditPlan(
                    "Asking Good Questions",
                    "Turning a curiosity into a question that can be worked on.",
                    (
                        "Narrowing: makes a wide question small enough for the time there is",
                        "Background: finds out what is known before starting",
                    ),
                ),
                CreditPlan(
                    "Field Notebook",
                    "A season of careful looking at one place, kept in words, figures and drawings.",
                    (
                        "Observation: records what is there before saying what it means",
                        "Regularity: keeps the record through dull days as well",
                    ),
                ),
                CreditPlan(
                    "Inquiry with a Mentor",
                    "A question of one's own, followed for a term beside somebody who does such work for a living.",
                    (
                        "Method: chooses a way of working and defends the choice",
                        "Revision: changes the plan when the findings ask for it",
                        "Report: tells a reader who was not there what was found and how sure it is",
                    ),
                ),
            ),
        ),
        AreaPlan(
            "craft",
            "CR",
            "Craft and Making",
            "#bc6c25",
            (
                CreditPlan(
                    "Tools and Safety",
                    "Handling the tools of one workshop so that nobody gets hurt and nothing is wasted.",
                    (
                        "Preparation: sets up a workplace and leaves it ready for the next person",
                        "Care: keeps tools sharp, clean and accounted for",
                    ),
                ),
                CreditPlan(
                    "From Sketch to Object",
                    "Designing a thing that somebody asked for, and making it.",
                    (
                        "Listening: draws out what the client needs",
                        "Iteration: builds a rough version early and learns from it",
                        "Finish: works to the standard agreed at the start",
                    ),
                ),
                CreditPlan(
                    "Repair Bench",
                    "Bringing broken things back into use for neighbours who bring them in.",
                    (
                        "Diagnosis: finds the fault by ruling out causes one at a time",
                        "Honesty: says when a repair is not worth it",
                    ),
                ),
            ),
        ),
        AreaPlan(
            "voice",
            "VO",
            "Voice",
            "#6a4c93",
            (
                CreditPlan(
                    "Speaking to a Room",
                    "Preparing and giving a talk to people who did not have to come.",
                    (
                        "Structure: gives listeners a thread to hold",
                        "Presence: looks up, slows down, answers what was asked",
                    ),
                ),
                CreditPlan(
                    "Writing for Readers",
                    "Texts that had readers outside of class: letters, instructions, a column.",
                    (
                        "Purpose: knows what the reader should do or know afterwards",
                        "Editing: cuts what does not serve it",
                    ),
                ),
                CreditPlan(
                    "Two Languages",
                    "Carrying meaning between two languages for people who needed it.",
                    (
                        "Accuracy: says what was said, no more and no less",
                        "Register: finds the tone that fits the other language",
                    ),
                ),
            ),
        ),
        AreaPlan(
            "number",
            "NU",
            "Number and Pattern",
            "#386641",
            (
                CreditPlan(
                    "Everyday Quantities",
                    "Budgets, recipes, timetables and maps, until the arithmetic no longer gets in the way.",
                    (
                        "Estimation: knows roughly what the answer must be before working it out",
                        "Units: never loses track of what is being counted",
                    ),
                ),
                CreditPlan(
                    "Reading Data",
                    "Making sense of other people's figures and of one's own.",
                    (
                        "Graphs: chooses a picture that shows what matters and hides nothing",
                        "Doubt: asks where a number comes from and what it leaves out",
                    ),
                ),
                CreditPlan(
                    "Models",
                    "A small mathematical model of something in town, tested against what happened.",
                    (
                        "Assumptions: states what was simplified, and why that is fair",
                        "Test: compares the model with measurements and explains the difference",
                    ),
                ),
            ),
        ),
        AreaPlan(
            "common-good",
            "CG",
            "The Common Good",
            "#c1121f",
            (
                CreditPlan(
                    "Showing Up",
                    "Forty hours of work that somebody else decided was needed.",
                    (
                        "Reliability: comes when expected and says so when not",
                        "Humility: learns how things are done before proposing to change them",
                    ),
                ),
                CreditPlan(
                    "How Decisions Are Made",
                    "Following one local decision from the first meeting to the vote.",
                    (
                        "Sources: reads agendas, minutes and budgets without a guide",
                        "Positions: puts the other side's case so that it would agree with the wording",
                    ),
                ),
                CreditPlan(
                    "A Project That Outlasts Us",
                    "Starting something useful, and handing it over so that it goes on.",
                    (
                        "Coalition: brings in people who are unlike oneself",
                        "Handover: leaves a description that the next group could follow",
                    ),
                ),
            ),
        ),
    ),
)
