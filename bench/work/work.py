"""What programs in Python do all day: objects, dictionaries, strings, lists, numbers. Prints a checksum."""


class Account:
    def __init__(self, name):
        self.name = name
        self.balance = 0
        self.history = []

    def post(self, amount):
        self.balance += amount
        self.history.append(amount)
        return self.balance


def random(state):
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 8


def ledger(count):
    accounts = {}
    numbers = random(1)
    for _ in range(count):
        name = f"account-{next(numbers) % 500:04d}"
        account = accounts.get(name)
        if account is None:
            account = accounts[name] = Account(name)
        account.post(next(numbers) % 1000 - 500)
    ranked = sorted(accounts.values(), key=lambda account: (account.balance, account.name))
    return sum(i * account.balance + len(account.history) for i, account in enumerate(ranked))


def words(count):
    numbers = random(2)
    text = " ".join("abcdefghij"[next(numbers) % 10] * (1 + next(numbers) % 3) for _ in range(count))
    found = {}
    for word in text.split():
        found[word] = found.get(word, 0) + 1
    return sum(n * len(word) for word, n in sorted(found.items())) + len(text.replace("aa", "b").upper())


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found = 0
    free = ~(columns | left | right) & ((1 << size) - 1)
    while free:
        bit = free & -free
        free ^= bit
        found += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def waves(count):
    x, v = 1.0, 0.0
    for _ in range(count):
        v -= x * 0.01
        x += v * 0.01
    return round(x * 1e6)


def primes(limit):
    composite = bytearray(limit)
    found = []
    for i in range(2, limit):
        if not composite[i]:
            found.append(i)
            composite[i * i :: i] = b"\x01" * len(range(i * i, limit, i))
    return sum(found) % 1000003


print(ledger(40000), words(40000), queens(8), waves(150000), primes(200000))
