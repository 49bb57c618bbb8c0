"""What Hypothesis is told when it is imported: profiles, and the types that were offered so far.

pytest --hypothesis-profile=refsnn-ci
"""

from hypothesis import HealthCheck, settings

from refsnn import offers


def register() -> None:
    """Hypothesis' entry point.

    refsnn-dev: 50 examples. refsnn-ci: 200, the same in every run, none kept, and a failure prints what reproduces it.
    refsnn-nightly: 10,000, others every night.
    """
    # no deadline: the first example of a test may compile kernels
    slow_start = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("refsnn-dev", slow_start, max_examples=50)
    settings.register_profile(
        "refsnn-ci", slow_start, max_examples=200, derandomize=True, database=None, print_blob=True
    )
    settings.register_profile("refsnn-nightly", slow_start, max_examples=10_000, derandomize=False, print_blob=True)
    offers.register()
