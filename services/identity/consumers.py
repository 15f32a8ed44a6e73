"""Identity hears nobody: what it knows comes from rosters and operators."""

from services.chassis.kafka.hearing import Hearing

hears = Hearing()
