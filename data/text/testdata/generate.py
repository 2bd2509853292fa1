"""Writes tokenizers.json: files tokenizer.json as HuggingFace's library makes them, and its tokens of some texts.

Made by: python generate.py > tokenizers.json, with tokenizers 0.23.3. Each file is trained on the text below. Nothing
is added to texts here: where a file has a space before the text, the tokens are those without it.
"""

import json
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

text = """First they asked: who are we, and what do we know? Then they didn't ask again.
  The word, the words and the 12 wordings of 1234 words; it's all they'll say... we've heard it.

\tNaïve façades, 字 and 字典, and the end -- of the words that they know.
""" * 3
texts = [text[:120], "  Hello  world\n\n  and   tabs\t\tx '  don't 字字 é\n end  ", "the words 12345 we'll know...\r\n\r\n ", "", " ",
         "the <|end|><|end|> they", "Cafe\u0301 and caf\u00e9", "\U0001F600 words \u00a0the\u2003end"]
gpt4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
P, B = pre_tokenizers, pre_tokenizers.ByteLevel


def train(size, pre, alphabet=(), special=(), normalizer=None, **model):
    t = Tokenizer(models.BPE(**model))
    if pre is not None:
        t.pre_tokenizer = pre
    if normalizer is not None:
        t.normalizer = normalizer
    t.train_from_iterator([text], trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=list(special),
                                                      initial_alphabet=list(alphabet)))
    return t


def bytelevel(*before, size=300, regex=False, **more):
    last = B(add_prefix_space=False, use_regex=regex)
    return train(size, P.Sequence([*before, last]) if before else last, B.alphabet(), **more)


def fallback():
    base = json.loads(train(120, None, normalizer=normalizers.Replace(" ", "▁")).to_str())["model"]
    pieces = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    pieces += [p for p in base["vocab"] if not set(p) & set("é字典")]
    merges = [tuple(m) for m in base["merges"] if not set("".join(m)) & set("é字典")]
    t = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges, unk_token="<unk>", fuse_unk=True,
                             byte_fallback=True))
    t.normalizer = normalizers.Replace(" ", "▁")
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    return t


def with_prepend(t):
    f = json.loads(t.to_str())
    f["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, f["normalizer"]]}
    return f


def split(behavior, pattern=" ", invert=False):
    return P.Split(pattern, behavior, invert)


fall = fallback()
all = {
    "gpt2": bytelevel(regex=True, special=["<|end|>"]),
    "gpt4": bytelevel(split("removed", Regex(gpt4), True), special=["<|end|>"], ignore_merges=True),
    "llama3": bytelevel(split("isolated", Regex(gpt4)), special=["<|begin|>", "<|end|>"], ignore_merges=True),
    "qwen": bytelevel(split("isolated", Regex(gpt4)), normalizer=normalizers.NFC()),
    "llama2": fall,
    "metaspace": train(130, P.Metaspace(prepend_scheme="never"), alphabet="\n\t\r<|>45xH'éC"),
    "previous": bytelevel(split("merged_with_previous")),
    "next": bytelevel(split("merged_with_next")),
    "contiguous": bytelevel(split("contiguous", Regex(r"\w"))),
    "inverted": bytelevel(split("merged_with_next", Regex(r"[a-z]+"), True)),
    "digits": bytelevel(P.Digits(individual_digits=True), regex=True),
    "numbers": bytelevel(P.Digits(individual_digits=False), regex=True),
}
out = []
for name, t in all.items():
    cases = []
    for s in texts:
        ids = t.encode(s, add_special_tokens=False).ids
        if name == "metaspace" and any(c not in t.get_vocab() for c in s.replace(" ", "▁")):
            continue
        cases.append({"text": s, "ids": ids})
    f = with_prepend(t) if name == "llama2" else json.loads(t.to_str())
    out.append({"name": name, "file": f, "cases": cases})
print(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('},{"name"', '},\n{"name"'))
