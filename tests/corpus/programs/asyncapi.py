"""The queue of an imagined shop's orders, from which FastStream writes an AsyncAPI document."""

from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

broker = KafkaBroker("localhost:9092", description="where orders wait")
app = FastStream(broker)


class Order(BaseModel):
    number: int
    goods: list[str]


@broker.subscriber("orders")
@broker.publisher("accepted")
async def accept(order: Order) -> Order:
    return order
