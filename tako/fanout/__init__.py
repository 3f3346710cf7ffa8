"""From an event to the runs it causes: who hears it, what they run, when, and how it went."""
