"""How long a connection may take, how many there may be, and which one makes room."""

import resource

import pytest
from brushwork.gateway.connections import limits as limits_module
from brushwork.gateway.connections.connections import (
    LOG_EVERY_S,
    MOST_ENDED,
    MOST_HEADS_ENDED,
    Connections,
)
from brushwork.gateway.connections.deadlines import RATE_FROM_S, UNWANTED_BODY_S, Deadlines, Phase
from brushwork.gateway.connections.endings import Ending
from brushwork.gateway.connections.limits import RESERVED_DESCRIPTORS, ConnectionLimits, affordable

LIMITS = ConnectionLimits(most=3, head_s=10, body_s=15, body_bytes_s=1000, answer_s=30)


def at(deadlines: Deadlines, now: float, *, is_held: bool = False, num_unread: int = 0) -> Ending | None:
    return deadlines.overdue(now, is_held=is_held, num_unread=num_unread)


class TestDeadlines:
    def test_a_head_must_end_in_time_however_its_bytes_come(self) -> None:
        deadlines = Deadlines(LIMITS, 100)
        for now in range(100, 110):
            deadlines.head_began(now)
            assert at(deadlines, now) is None
        assert at(deadlines, 110.1) is Ending.SLOW_HEAD

    def test_the_time_between_two_requests_is_not_that_of_a_head(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(1)
        deadlines.request_ended()
        assert at(deadlines, 1000) is None
        deadlines.head_began(1000)
        assert at(deadlines, 1009) is None
        assert at(deadlines, 1011) is Ending.SLOW_HEAD

    def test_a_silent_body_ends(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(1)
        deadlines.body_came(100_000, 10)
        assert at(deadlines, 25) is None
        assert at(deadlines, 25.1) is Ending.SLOW_BODY

    def test_one_byte_at_a_time_is_not_enough(self) -> None:
        deadlines, now = Deadlines(LIMITS, 0), 0.0
        deadlines.body_began(now)
        while (ended := at(deadlines, now)) is None:
            now += 1
            deadlines.body_came(1, now)
        assert ended is Ending.SLOW_BODY
        assert now == RATE_FROM_S + 1

    @pytest.mark.parametrize("bytes_s", [2000, 1000])
    def test_a_slow_line_is_fast_enough(self, bytes_s: int) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(0)
        for now in range(3600):
            deadlines.body_came(bytes_s, now)
            assert at(deadlines, now) is None

    def test_the_time_in_which_the_gateway_does_not_read_does_not_count(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(0)
        deadlines.body_came(20_000, 1)
        for now in range(1, 600):
            assert at(deadlines, now, is_held=True) is None
        deadlines.body_came(1, 600)
        assert at(deadlines, 614) is None
        assert at(deadlines, 616) is Ending.SLOW_BODY

    def test_a_body_after_the_answer_is_read_for_a_while(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(0)
        deadlines.answered(1)
        for now in range(1, 11):
            deadlines.body_came(10**6, now)
            assert at(deadlines, now) is None
        assert at(deadlines, 1.1 + UNWANTED_BODY_S) is Ending.UNWANTED_BODY

    def test_who_reads_nothing_of_the_answer_is_not_waited_for(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(0)
        deadlines.request_ended()
        assert [at(deadlines, now, num_unread=10**6) for now in (0, 10, 30)] == [None] * 3
        assert at(deadlines, 31, num_unread=10**6) is Ending.SLOW_READER

    def test_who_reads_some_of_it_is(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.body_began(0)
        deadlines.request_ended()
        assert {at(deadlines, now, num_unread=10**6 - 1000 * now) for now in range(999)} == {None}

    def test_a_reader_that_has_caught_up_begins_anew(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        deadlines.request_ended()
        assert [
            at(deadlines, now, num_unread=unread) for now, unread in ((0, 9), (29, 0), (30, 9), (59, 9))
        ] == [None] * 4

    def test_the_phase_follows_the_request(self) -> None:
        deadlines = Deadlines(LIMITS, 0)
        assert deadlines.phase is Phase.HEAD
        deadlines.body_began(0)
        assert deadlines.phase is Phase.BODY
        deadlines.request_ended()
        assert deadlines.phase is Phase.NOTHING


class One:
    """A connection that only notes what becomes of it."""

    def __init__(self) -> None:
        self.is_dropped = False
        self.is_late: Ending | None = None
        self.ended: list[Ending] = []

    def overdue(self, now: float) -> Ending | None:
        del now
        return self.is_late

    def end(self, ending: Ending) -> None:
        self.ended.append(ending)

    def drop(self) -> None:
        self.is_dropped = True


class TestConnections:
    def test_the_one_that_has_waited_longest_makes_room(self) -> None:
        ended: list[Ending] = []
        connections, three = Connections(LIMITS, on_end=ended.append), [One(), One(), One()]
        assert all(map(connections.admit, three))
        connections.waits(three[0])
        assert connections.admit(new := One())
        assert [each.is_dropped for each in (*three, new)] == [False, True, False, False]
        assert (len(connections), ended) == (3, [Ending.REPLACED])

    def test_one_whose_request_is_complete_is_left_alone(self) -> None:
        connections, three = Connections(LIMITS), [One(), One(), One()]
        for each in three:
            connections.admit(each)
            connections.works(each)
        assert not connections.admit(One())
        assert not any(each.is_dropped for each in three)
        connections.remove(three[0])
        assert connections.admit(One())

    def test_any_number_of_unfinished_heads_keeps_nobody_out(self) -> None:
        connections, busy = Connections(LIMITS), One()
        connections.admit(busy)
        connections.works(busy)
        silent = [One() for _ in range(500)]
        assert all(map(connections.admit, silent))
        assert [each.is_dropped for each in silent] == [True] * 498 + [False] * 2
        assert (len(connections), busy.is_dropped) == (3, False)

    def test_only_some_end_at_a_time(self) -> None:
        """All at once would delay every other request by the time that all of them take."""
        connections = Connections(ConnectionLimits(most=1000))
        numbers = {Ending.SLOW_HEAD: 2 * MOST_HEADS_ENDED + 50, Ending.SLOW_BODY: 2 * MOST_ENDED + 10}
        late = {ending: [One() for _ in range(number)] for ending, number in numbers.items()}
        for ending, those in late.items():
            for each in those:
                connections.admit(each)
                each.is_late = ending
        ended = []
        connections.look()
        for _ in range(3):
            connections.end_some()
            ended.append(tuple(sum(len(each.ended) for each in those) for those in late.values()))
        some = (MOST_HEADS_ENDED, MOST_ENDED)
        assert ended == [some, (2 * some[0], 2 * some[1]), (2 * some[0] + 50, 2 * some[1] + 10)]

    def test_one_that_has_left_is_not_ended(self) -> None:
        connections, one = Connections(LIMITS), One()
        connections.admit(one)
        one.is_late = Ending.SLOW_BODY
        connections.look()
        connections.remove(one)
        connections.end_some()
        assert one.ended == []

    def test_long_heads_share_what_they_may_take(self) -> None:
        connections = Connections(ConnectionLimits(shared_head_bytes=100))
        assert connections.holds_head(60)
        assert not connections.holds_head(60)
        assert connections.holds_head(-60)
        assert connections.holds_head(40)

    def test_what_was_ended_is_one_line_of_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        times = iter([0.0, 1.0, LOG_EVERY_S + 1])
        connections = Connections(LIMITS, clock=lambda: next(times))
        for number in range(1000):
            connections.note(Ending.SLOW_HEAD if number else Ending.REPLACED)
        connections.look()
        connections.note(Ending.FULL)
        connections.look()
        assert [record.message for record in caplog.records] == [
            "1000 connections were ended: replaced 1, slow_head 999. Now 0 of at most 3 are open."
        ]
        connections.look()
        assert caplog.records[1].message.startswith("1 connections were ended: full 1.")


class TestOpenFiles:
    @pytest.mark.parametrize(
        ("soft", "hard", "most", "raised_to"),
        [
            (256, 256, 256 - RESERVED_DESCRIPTORS, 256),
            (256, 1024, 1024 - RESERVED_DESCRIPTORS, 1024),
            (1024, 10**6, 4096, 4096 + RESERVED_DESCRIPTORS),
            (10**6, 10**6, 10**6 - RESERVED_DESCRIPTORS, 10**6),
            (32, 32, 16, 32),
        ],
    )
    def test_connections_leave_some_for_the_rest(
        self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, most: int, raised_to: int
    ) -> None:
        now = [(soft, hard)]

        class Resource:
            RLIMIT_NOFILE, RLIM_INFINITY = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY

            @staticmethod
            def getrlimit(_: int) -> tuple[int, int]:
                return now[-1]

            @staticmethod
            def setrlimit(_: int, both: tuple[int, int]) -> None:
                now.append(both)

        monkeypatch.setattr(limits_module, "resource", Resource)
        assert min(affordable(4096), 4096) == min(most, 4096)
        assert now[-1] == (raised_to, hard)
