from __future__ import annotations

import socket

import pytest

from stellar_tf.addresses import is_asked_by_name, is_loopback, list_names


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False),
     ("10.1.2.3", False), ("example.org", False)],
)  # fmt: skip
def test_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) == answer


@pytest.mark.parametrize(
    ("header", "answer"),
    [("localhost", True), ("LOCALHOST:8501", True), ("localhost.:1", True),
     ("127.0.0.1:8501", True), ("[::1]:8501", True), ("10.1.2.3", True),
     ("evil.example:8501", False), ("localhost.evil.example", False), ("", False),
     ("[::1", False), ("evil.example@localhost", True), ("localhost@evil", False)],
)  # fmt: skip
def test_only_own_names_and_addresses_may_be_asked(header: str, answer: bool) -> None:
    assert is_asked_by_name(header, list_names("127.0.0.1")) == answer


def test_a_server_for_others_has_the_names_of_the_machine() -> None:
    assert list_names("127.0.0.1") == ["127.0.0.1", "localhost"]
    assert {"0.0.0.0", socket.gethostname()} <= set(list_names("0.0.0.0"))
