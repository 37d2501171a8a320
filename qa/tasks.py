"""Celery's way in: each task hands an id to one service. Queue ``answers``."""

from __future__ import annotations

from celery import shared_task

from qa import answering, habits, measurement_program, probing


@shared_task(name="qa.tasks.generate_answer")
def generate_answer(answer_id: int) -> None:
    """Answer the question of a waiting answer; anything but a waiting one is left alone."""
    answering.generate_answer(answer_id)


@shared_task(name="qa.tasks.fail_expired_answers")
def fail_expired_answers() -> None:
    """Give up what a lost worker holds, and enqueue again what waits."""
    for answer_id in answering.release_expired_answers():
        generate_answer.apply_async((answer_id,), expires=answering.TASK_EXPIRES_S)


@shared_task(name="qa.tasks.measure_reranker")
def measure_reranker(measurement_id: int) -> None:
    """Make a waiting measurement, then pass on to the next one that waits."""
    following = measurement_program.run(measurement_id)
    if following is not None:
        measure_reranker.delay(following)


@shared_task(name="qa.tasks.take_up_measurements")
def take_up_measurements() -> None:
    """Give up what a lost worker holds, and enqueue again what waits."""
    waiting = measurement_program.release_lost()
    if waiting is not None:
        measure_reranker.delay(waiting)


@shared_task(name="qa.tasks.delete_expired_openings")
def delete_expired_openings() -> None:
    """Delete what readers opened longer ago than it is kept."""
    habits.delete_expired_openings()


@shared_task(name="qa.tasks.probe_reranker")
def probe_reranker(profile_id: int) -> None:
    """Try a reranker that waits for it; any other is left alone."""
    probing.probe(profile_id)


@shared_task(name="qa.tasks.take_up_probes")
def take_up_probes() -> None:
    """Enqueue again the trials that nobody made."""
    for profile_id in probing.unheard():
        probe_reranker.delay(profile_id)
