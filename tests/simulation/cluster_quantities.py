"""Conservation of quantity, as equalities over what the log says: nothing is bought that is not sold, and what an order
was for is filled, cancelled, or rests in the book."""

from collections import Counter, defaultdict

from cluster_client import Violation

from engine.machine import Machine

FILLED, CANCELLED, EXPIRED = "F", "4", "C"  # ExecType
BUY, SELL = "1", "2"

Reports = list[tuple[str, dict[str, str]]]  # (client, report), in the order of the log


class Order:
    def __init__(self) -> None:
        self.ordered = self.filled = self.cancelled = self.leaves = 0


def judge_quantities(reports: Reports, machine: Machine) -> None:
    """machine: where the log leads to. Raises Violation."""
    executions = [fields for _, fields in reports if fields["35"] == "8" and fields["39"] != "8"]
    judge_trades([fields for fields in executions if fields["150"] == FILLED])
    orders: dict[int, Order] = defaultdict(Order)
    for fields in executions:
        book(orders[int(fields["37"])], fields)
    for id, order in orders.items():
        live = machine.order(id)
        resting = live.leaves_lots if live is not None else 0
        if order.ordered != order.filled + order.cancelled + resting:
            raise Violation(
                f"order {id} is for {order.ordered} lots, of which {order.filled} are filled, {order.cancelled} "
                f"cancelled and {resting} in the book"
            )
    told = sum(order.leaves > 0 for order in orders.values())
    if machine.live_orders != told:
        raise Violation(f"{machine.live_orders} orders rest in the books; {told} by the reports")


def book(order: Order, fields: dict[str, str]) -> None:
    """What a report says of its order must follow from what was said before."""
    if fields["150"] == FILLED:
        order.filled += int(fields["32"])
    elif fields["150"] in (CANCELLED, EXPIRED):
        order.cancelled += order.leaves
    order.ordered, order.leaves = int(fields["38"]), int(fields["151"])
    if order.filled != int(fields["14"]):
        raise Violation(f"the fills of an order are {order.filled} lots in all; the report says {fields}")
    if order.ordered != order.filled + order.cancelled + order.leaves:
        raise Violation(f"what is ordered is not what is filled, cancelled and left: {fields}")


def judge_trades(fills: list[dict[str, str]]) -> None:
    """Each has one buyer and one seller, of the same quantity at the same price; so has each instrument."""
    trades: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    lots: dict[str, Counter[str]] = defaultdict(Counter)
    for fields in fills:
        symbol, side = fields["55"], fields["54"]
        lots[symbol][side] += int(fields["32"])
        if side in trades[symbol, fields["880"]]:
            raise Violation(f"trade {fields['880']} in {symbol} has one side twice")
        trades[symbol, fields["880"]][side] = [fields["32"], fields["31"]]
    for (symbol, id), sides in trades.items():
        if sides.keys() != {BUY, SELL} or sides[BUY] != sides[SELL]:
            raise Violation(f"the two sides of trade {id} in {symbol} are not equal: {sides}")
    for symbol, of in lots.items():
        if of[BUY] != of[SELL]:
            raise Violation(f"{symbol}: {of[BUY]} lots were bought and {of[SELL]} sold")
