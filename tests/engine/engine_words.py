"""Reports and what a machine holds, in words."""

from typing import Any

from engine import reference
from engine.records import (
    EMPTY_PRICE,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    Reason,
    ReportKind,
    Shows,
    Side,
    TimeInForce,
)
from engine.reference_state import FIRST_FEED_ID

FLAG_WORDS = {
    CommandFlag.POST_ONLY: "post",
    CommandFlag.POST_ONLY_SLIDE: "slide",
    CommandFlag.HIDDEN: "hidden",
    CommandFlag.ALL_OR_NONE: "aon",
}
OF_NO_ORDER = (
    CommandKind.ADVANCE,
    CommandKind.CHANGE,
    CommandKind.DEFINE,
    CommandKind.MASS_CANCEL,
    CommandKind.PHASE,
    CommandKind.PROTECT,
    CommandKind.TICK,
)


def price(ticks: int | None) -> str:
    return "market" if ticks in (None, EMPTY_PRICE) else f"@ {ticks}"


def name_of(enumeration: Any, value: int) -> str:
    return enumeration(value).name.lower() if value in [*enumeration] else str(value)


def flag_words(flags: int) -> str:
    """Words of the flags, or their number when one is unknown; EXTENDED says nothing of the order."""
    if flags & ~(sum(FLAG_WORDS) | CommandFlag.EXTENDED):
        return f"flags {flags}"
    return " ".join(word for bit, word in FLAG_WORDS.items() if flags & bit)


def what(order_type: int, ticks: int) -> str:
    """An order's type and limit, as one says it."""
    if order_type in (OrderType.LIMIT, OrderType.MARKET) or order_type not in [*OrderType]:
        return price(ticks)
    words = name_of(OrderType, order_type).replace("_", "-")
    return words if ticks == EMPTY_PRICE else f"{words} @ {ticks}"


def terms(report: Any) -> str:
    """The order's own words; who it belongs to only when that is not plain."""
    text = f"{name_of(Side, report['side'])} {report['quantity_lots']} "
    text += what(report["order_type"], report["price_ticks"])
    if report["time_in_force"] != TimeInForce.GTC:
        text += f" {name_of(TimeInForce, report['time_in_force'])}"
    if words := flag_words(int(report["flags"])):
        text += f" {words}"
    if report["order_type"] not in [*OrderType]:
        text += f" type {report['order_type']}"
    if report["kind"] in (ReportKind.ACCEPTED, ReportKind.REPLACED) and report["maker_leaves_lots"]:
        text += f" display {report['maker_leaves_lots']}"
    if report["instrument"]:
        text += f" of instrument {report['instrument']}"
    if (report["owner"], report["client_ref"]) != (0, report["order_id"]):
        text += f" of {report['owner']}/{report['client_ref']}"
    return text


def trade(report: Any) -> str:
    """Who came and who was there; in an auction the buyer is named first."""
    maker = f"maker {report['maker_order_id']} leaves {report['maker_leaves_lots']}"
    if (report["maker_owner"], report["maker_client_ref"]) != (0, report["maker_order_id"]):
        maker += f" of {report['maker_owner']}/{report['maker_client_ref']}"
    if report["maker_shows"]:
        maker += {Shows.SHOWS_SLICE: ", iceberg", Shows.SHOWS_NOTHING: ", hidden"}[
            Shows(report["maker_shows"])
        ]
    return (
        f"trade {report['trade_id']}: {report['last_lots']} @ {report['last_price_ticks']}, "
        f"taker {report['order_id']} leaves {report['leaves_lots']} filled {report['cumulative_lots']}, "
        f"{maker}"
    )


def about_no_order(report: Any) -> str:
    """The outcome of a command about an instrument, the time or many orders."""
    kind = ReportKind(report["kind"])
    if kind == ReportKind.REJECTED:
        return f"rejected {Reason(report['reason']).name.lower()}"
    if kind == ReportKind.PHASE_CHANGED:
        before, phase = name_of(Phase, report["time_in_force"]), name_of(Phase, report["order_type"])
        text = f"phase_changed {report['instrument']}: {before} -> {phase}"
        if report["price_ticks"] != EMPTY_PRICE:
            text += f", auction {report['quantity_lots']} @ {report['price_ticks']}"
        return text
    if kind == ReportKind.MASS_CANCELLED:
        return f"mass_cancelled {report['quantity_lots']}"
    if kind == ReportKind.ADVANCED:
        return "advanced"
    table = "tick table " if report["command_kind"] == CommandKind.TICK else ""
    return f"{kind.name.lower()} {table}{report['instrument']}"


def tell(report: Any) -> str:
    """One report in one line."""
    kind = ReportKind(report["kind"])
    is_outcome = kind in (ReportKind.DEFINED, ReportKind.CHANGED, ReportKind.ADVANCED, ReportKind.REJECTED)
    if kind in (ReportKind.PHASE_CHANGED, ReportKind.MASS_CANCELLED) or (
        is_outcome and report["command_kind"] in OF_NO_ORDER and report["reason"] != Reason.UNKNOWN_COMMAND
    ):
        return about_no_order(report)
    if kind == ReportKind.TRADE:
        return trade(report)
    if kind == ReportKind.DISPLAYED:
        feed_id = int(report["maker_order_id"])
        shown_as = f"slice {feed_id - FIRST_FEED_ID}" if feed_id > FIRST_FEED_ID else "itself"
        return (
            f"displayed {report['order_id']}: {report['maker_leaves_lots']} as {shown_as}, "
            f"leaves {report['leaves_lots']}"
        )
    text = kind.name.lower()
    if report["reason"]:
        text += f" {Reason(report['reason']).name.lower()}"
    text += f" {report['order_id']}: {terms(report)}, leaves {report['leaves_lots']}"
    if report["cumulative_lots"]:
        text += f" filled {report['cumulative_lots']}"
    if kind == ReportKind.REPLACED:
        text += f", was {report['last_lots']} {price(report['last_price_ticks'])}"
        text += ", kept its place" if report["kept_priority"] else ", new arrival"
    elif kind == ReportKind.REPRICED:
        before = report["last_price_ticks"]
        text += ", had no price" if before == EMPTY_PRICE else f", was @ {before}"
    elif report["last_lots"]:
        text += f" took off {report['last_lots']}"
        if kind == ReportKind.REDUCED and report["maker_shows"] == Shows.SHOWS_SLICE:
            text += f", shows {report['maker_leaves_lots']}"
    return text


# ---------------------------------------------------------------- questions


def where(order: reference.Order) -> str:
    """A live order as its owner sees it."""
    text = f"{order.order_id}: {order.side.name.lower()} {order.leaves_lots}"
    if order.is_stop:
        text += f" stop {order.stop_price_ticks}"
    if order.is_pegged:
        text += f" peg {PegKind(order.peg_kind).name.split('_')[0].lower()}"
    if order.price_ticks != EMPTY_PRICE:
        text += f" @ {order.price_ticks}"
    if order.display_lots:
        text += f" shows {order.slice_lots}"
    if order.is_hidden:
        text += " hidden"
    return text


def whole_book(book: Any) -> list[str]:
    """Every order in the order of its turn, and those that are in no book."""
    rows = []
    for name, side in zip(("bid", "ask"), book.sides, strict=True):
        rows += [f"{name} market {where(order)}" for order in side.market.values()]
        for ticks in sorted({*side.queues, *side.hidden}, reverse=side.side is Side.BUY):
            queues = (side.queues.get(ticks, {}), side.hidden.get(ticks, {}))
            rows += [f"{name} {where(order)}" for queue in queues for order in queue.values()]
    rows += [f"stop {where(order)}" for order in sorted_by_id(book.stops)]
    rows += [f"parked {where(order)}" for order in sorted_by_id(book.parked)]
    return rows or ["empty"]


def sorted_by_id(queue: dict[int, reference.Order]) -> list[reference.Order]:
    return [order for _, order in sorted(queue.items())]


def levels(machine: Any, instrument: int) -> list[str]:
    """What is shown."""
    return [
        f"{name} {level['price_ticks']}: {level['quantity_lots']} in {level['orders']}"
        for name, side in zip(("bid", "ask"), machine.depth(instrument, 100), strict=True)
        for level in side
    ] or ["empty"]


def phase_now(book: Any) -> str:
    text = Phase(book.phase).name.lower()
    return (
        f"{text} until {book.until_ns}, then {Phase(book.next_phase).name.lower()}" if book.until_ns else text
    )


def indicated(outcome: tuple[int, int, int] | None) -> str:
    if outcome is None:
        return "nothing would trade"
    ticks, volume, surplus = outcome
    text = f"{volume} @ {ticks}"
    return f"{text}, surplus {abs(surplus)} to {'buy' if surplus > 0 else 'sell'}" if surplus else text


def answer(machine: Any, text: str) -> list[str] | None:
    """What a question is answered; None when the line is a command.

    What no call of the machine tells is read from its snapshot.
    """
    match text.split():
        case ["book", *rest] if rest[-1:] != ["all"]:
            return levels(machine, int((*rest, "0")[0]))
        case ["best"]:
            return [" ".join(map(str, machine.best(0)))]
        case ["ahead", order_id]:
            return [str(machine.queue_ahead(int(order_id)))]
        case ["orders", owner]:
            return [
                f"{order.order_id}: {order.side.name.lower()} {order.quantity_lots} {price(order.price_ticks)}, "
                f"leaves {order.leaves_lots} filled {order.cumulative_lots}"
                for order in machine.orders(int(owner))
            ] or ["none"]
        case ["book", *rest]:
            state = reference.Machine.restore(machine.snapshot())
            return whole_book(state._instrument(int((*rest[:-1], "0")[0])))
        case ["indicative", *rest]:
            state = reference.Machine.restore(machine.snapshot())
            return [indicated(state.indicative(int((*rest, "0")[0])))]
        case ["phase?", *rest]:
            state = reference.Machine.restore(machine.snapshot())
            return [phase_now(state._instrument(int((*rest, "0")[0])))]
    return None
