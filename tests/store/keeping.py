import asyncio


async def kept(store, *records):
    """Write and wait for the answer."""
    answer = asyncio.get_running_loop().create_future()
    store.write(records, answer.set_result)
    return await answer
