"""Which backends a charger has."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp.message import Version
from gateway.routing.globs import is_plain, matcher
from gateway.routing.routes import Facts, Route, Routes, Seats

LABELS = {"berlin": ("BER-*", "B?"), "hamburg": ("HAM-*",), "retired": ("OLD-1",)}


def seats(*routes: Route, **facts: object) -> Seats:
    known = {"charger_id": "BER-1", "versions": (Version.V16,)} | facts
    return Routes(routes, LABELS, "main").seats(Facts(**known))


def test_without_a_route_the_default_backend_leads_alone():
    assert seats() == Seats(("main",))
    assert seats(Route(chargers=("X*",), leader="other")).everyone == ("main",)


def test_the_first_route_that_fits_gives_everybody_a_seat():
    route = Route(
        chargers=("ber-*",),
        leader="a",
        standby=("b", "c"),
        observers=("d",),
        takeover_after_s=5,
        give_back_after_s=7,
        versions=(Version.V16,),
    )
    found = seats(Route(chargers=("HAM*",), leader="z"), route, Route(leader="y"))
    assert found == Seats(("a", "b", "c"), ("d",), 5, 7, (Version.V16,))
    assert found.leader == "a"
    assert found.everyone == ("a", "b", "c", "d")


def test_a_label_is_a_list_of_ids():
    for wanted in ("berlin", "ber*", "BERLIN"):
        assert seats(Route(labels=(wanted,), leader="a")).leader == "a"
    assert seats(Route(labels=("hamburg", "retired"), leader="a")).leader == "main"
    assert seats(Route(labels=("h*", "ret*"), leader="a"), charger_id="old-1").leader == "a"


def test_everything_a_route_says_must_fit():
    route = Route(chargers=("*1",), labels=("berlin",), versions=(Version.V201,), leader="a")
    both = (Version.V201, Version.V16)
    assert seats(route, versions=both).leader == "a"
    assert seats(route).leader == "main"
    assert seats(route, versions=both, charger_id="BER-2").leader == "main"
    assert seats(route, versions=both, charger_id="HAM-1").leader == "main"


def test_a_vendor_or_model_fits_once_it_is_known():
    vendor, model = Route(vendors=("acme*",), leader="a"), Route(models=("*",), leader="b")
    assert seats(vendor, model).leader == "main"
    assert seats(Route(vendors=("*",), leader="a")).leader == "main"
    assert seats(vendor, model, vendor="Acme Inc", model="X").leader == "a"
    assert seats(vendor, model, vendor="Other", model="X").leader == "b"
    assert Routes([vendor], {}, "main").needs_station
    assert not Routes([Route(leader="a")], {}, "main").needs_station


def test_routes_know_whether_there_is_anything_to_choose():
    assert Routes([], {}, "main").is_single
    assert Routes([Route(leader="main", chargers=("x",))], {}, "main").is_single
    assert not Routes([Route(leader="main", observers=("a",))], {}, "main").is_single


@given(st.text(max_size=40), st.lists(st.text(alphabet="ab*?[]!-^\\.", max_size=12), max_size=4))
def test_no_pattern_and_no_id_breaks_anything(text, globs):
    assert isinstance(matcher(tuple(globs))(text), bool)


@given(st.text(max_size=40))
def test_a_text_without_signs_fits_itself_whatever_its_case(text):
    if is_plain(text) and text.lower() == text.upper().lower():
        assert matcher(("nothing", text.upper()))(text.lower())
        assert not matcher((text + "x",))(text)
