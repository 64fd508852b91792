"""Wrong uses of the clients. Both type checkers find each line that is marked, and no other."""

from pathlib import Path

from brushwork import AsyncClient, Client, Job
from brushwork.direct_client import DirectClient
from brushwork.testing import FakeAsyncClient, FakeClient
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.image_to_text import ImageToTextResult

client = Client()
by_http = Client("http://localhost:8600")
direct = DirectClient(Settings.load())
fake = FakeClient()
job = client.submit("text-to-image", prompt="x")
caption = client.submit("image-to-text", image=b"")

client.submit()  # wrong
client.submit("text-to-imagge", prompt="x")  # wrong
client.submit("text-to-image", promt="x")  # wrong
client.submit("text-to-imagge", promt="x")  # wrong
client.submit("text-to-image")  # wrong
client.submit("text-to-image", prompt="x", steps=4)  # wrong
client.submit("text-to-image", prompt="x", num_inference_steps="4")  # wrong
client.submit("text-to-image", prompt="x", seed=1.5)  # wrong
client.submit("text-to-image", prompt=b"x")  # wrong
client.submit("text-to-image", prompt="x", image="a.png")  # wrong
client.submit("text-to-image", prompt="x", priority="highest")  # wrong
client.submit("text-to-image", prompt="x", webhook_events=["ended"])  # wrong
client.submit("text-to-image", prompt="x", loras=[{"nam": "ink"}])  # wrong
client.submit("image-to-image", prompt="x")  # wrong
client.submit("image-to-image", prompt="x", image=5)  # wrong
client.submit("image-to-text", image=Path("a.png").open())  # wrong
client.submit("image-to-text", image=b"", language="fr")  # wrong
client.submit("inpainting", prompt="x", image=b"", mask=b"")  # wrong
client.submit("image-classification", image=b"", candidate_labels="a cat")  # wrong
client.submit("image-segmentation", image=b"", points=[(1, 2)])  # wrong
client.submit("image-classification-training", dataset=b"", optimizer="sgd")  # wrong
client.submit("image-upscaling", image=b"", scale=4)  # wrong
client.submit("posterize", image=b"", levels=4)  # wrong
client.run("text-to-image", promt="x")  # wrong
client.run("text-to-image", prompt="x", timeout="5")  # wrong
client.run("text-to-image", prompt="x").result.generated_text  # wrong
client.run("image-to-text", image=b"").result.images  # wrong
client.run("image-classification", image=b"").result.labels  # wrong
client.run("image-upscaling", image=b"").result.images  # wrong
job.result.images  # wrong
job.raise_for_state().result.generated_text  # wrong
client.wait(job).raise_for_state().result.generated_text  # wrong
client.get(job).raise_for_state().result.generated_text  # wrong
client.cancel(caption).raise_for_state().result.images  # wrong
client.wait_all([caption])[0].raise_for_state().result.images  # wrong
client.retry(job, sed=8)  # wrong
client.retry("id", sed=8)  # wrong
client.retry(job, language="zh")  # wrong
client.retry(job, seed=8).raise_for_state().result.generated_text  # wrong
client.wait(5)  # wrong
client.wait(job, timeout=5)  # wrong
client.wait_all(job)  # wrong
client.wait_all([5])  # wrong
client.cancel(None)  # wrong
client.delete(5)  # wrong
client.delete(job).id  # wrong
client.get("x").stat  # wrong
client.list(limit="all")  # wrong
client.list(kind="text-to-imagge")  # wrong
client.list(state="done")  # wrong
client.models("text-to-imagge")  # wrong
client.upload(5)  # wrong
client.events(job).close  # wrong
client.events(job, preview=True)  # wrong
Client(8600)  # wrong
other: Job[ImageToTextResult | None] = job  # wrong
by_http.submit("text-to-image", promt="x")  # wrong
direct.submit("text-to-image", promt="x")  # wrong
fake.submit("text-to-image", promt="x")  # wrong
fake.run("image-to-text", image=b"").result.images  # wrong
fake.answer("image-to-sound", b"")  # wrong
fake.start(5)  # wrong
fine = fake.submit("text-to-image", prompt="x")
for event in client.events(job):
    event.job  # wrong
    print(event.state)


async def main() -> None:
    async with AsyncClient() as client, FakeAsyncClient() as fake:
        job = await client.submit("text-to-image", prompt="x")
        await client.submit("text-to-imagge", prompt="x")  # wrong
        await client.submit("text-to-image", promt="x")  # wrong
        await fake.submit("text-to-image", promt="x")  # wrong
        (await client.run("text-to-image", prompt="x")).result.generated_text  # wrong
        (await client.wait(job)).raise_for_state().result.generated_text  # wrong
        await client.retry(job, sed=8)  # wrong
        await client.delete(5)  # wrong
        client.submit("text-to-image", prompt="x").id  # wrong
        for event in client.events(job):  # wrong
            pass
        async for event in client.events(job):
            event.stat  # wrong
        await client.wait(job)
