"""The rows of docs/chips.md: what the packaged chips price, and published silicon."""

from hwmodel.chip import Family
from hwmodel.units import readable


def row(chip):
    """Name, family, node and voltage, what has a price, what has none."""
    voltage = readable(chip.technology.voltage, "V") if chip.technology.voltage else "not stated"
    node = readable(chip.technology.node, "m") if chip.technology.node else "not stated"
    technology = f"{node}, {voltage}"
    parts = {True: [], False: []}
    for component in chip.components:
        for known, found in parts.items():
            actions = [a for a in component.actions if (a.energy.nominal is not None) == known]
            if actions:
                found.append(_named(component, actions, brief=chip.family is not Family.MANY_CORE))
    parts[chip.static.nominal is not None].append("static power")
    return f"`{chip.name}`", chip.family.value, technology, *("; ".join(found) or "nothing" for found in parts.values())


def _named(component, actions, *, brief):
    if brief and len(actions) == len(component.actions):
        return component.name
    names = ", ".join(
        a.name + (" (average)" if a.energy.kind.value == "operating_point_average" else "") for a in actions
    )
    return f"{component.name}: {names}"


def silicon(case):
    """Name, predicted, measured and error of a published measurement."""
    low, high = (f"{each:.4g}" for each in case.predicted)
    errors = [f"{100 * each:+.{2 if abs(each) < 0.01 else 1}f} %".replace("-0.00", "0.00") for each in case.error]
    predicted = f"{low} {case.unit}" if low == high else f"{low} to {high} {case.unit}"
    error = errors[0] if errors[0] == errors[1] else " to ".join(errors)
    return case.name, predicted, f"{case.measured:g} {case.unit}", error
