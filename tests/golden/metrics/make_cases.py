"""Makes cases.json, bertscore.json and the folders `wordnet` and `bert` beside this file.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4 bert-score==0.3.13 torch transformers safetensors
    python make_cases.py

The texts, the few synonym sets and the random network were written for this project. `word_tokenize` is NLTK's, with
an untrained Punkt: what it would learn from a corpus is not part of this project.
"""

import json
import random
from pathlib import Path

import nltk
import sacrebleu
import torch
import transformers
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.stem.porter import PorterStemmer
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from nltk.translate.meteor_score import single_meteor_score
from rouge_score import rouge_scorer

HERE = Path(__file__).parent

PAIRS = [
    # Reports and answers.
    ("There is a 12 mm hypoattenuating liver lesion in the right lobe.", "A 12 mm hypoattenuating liver lesion lies in the right lobe."),
    ("CT of the abdomen in the venous phase, axial slices. The spleen is unremarkable.", "Axial CT of the abdomen in the venous phase. The spleen and the kidneys are unremarkable."),
    ("No pleural effusion. No pneumothorax.", "No pleural effusion or pneumothorax."),
    ("Bilateral pleural effusion.", "There is pleural effusion on both sides."),
    ("The target is left kidney.", "Sure, it is left kidney. A bean-shaped organ behind the peritoneum."),
    ("Venous phase", "Portal venous phase"),
    ("B. Arterial phase", "A. Non-contrast"),
    ("Right lobe", "right lobe"),
    ("The heart's chambers aren't enlarged; the aorta measures 3.1 cm.", "The chambers of the heart are not enlarged, and the aorta measures 31 mm."),
    ("Vertebral fracture of T12 with about 35 percent loss of height.", "There is a vertebral fracture at T12, wedge-shaped."),
    ("Fractured ribs on the left: 4th, 5th, and 6th.", "Fractures of the left 4th to 6th ribs."),
    ("Kidney stones are seen (largest 7 mm).", "A kidney stone of 7 mm is seen in the lower pole of the left kidney."),
    ("Lungs: clear. Pleura: no effusion. Heart: normal size.", "The lungs are clear. There is no pleural effusion. Heart size is normal."),
    ("The spleen measures 142 mm, consistent with splenomegaly.", "Splenomegaly with a length of 142 mm."),
    ("Aortic calcifications, moderate to severe.", "Moderate-to-severe calcification of the abdominal aorta."),
    ("Computed tomography of the thorax without contrast medium.", "CT of the chest without contrast medium."),
    ("Lesion size 1.2 x 3.4 cm, -20 HU, 5-6 mm margin.", "Lesion of 1.2 x 3.4 cm with -20 HU and a 5-6 mm margin."),
    ("Density: 45 HU; enhancement +30 HU at 70 s.", "Density 45 HU, enhancing by 30 HU."),
    ("Findings suggest cirrhosis, e.g. nodular contour, ascites, etc.", "Findings are suggestive of cirrhosis with nodular contour and ascites."),
    ("Dr. M. Weber saw the patient at 5 p.m. on Jan. 5.", "The patient was seen by Dr. Weber on January 5 at 5 p.m."),
    ("Is there a mass? Yes! It's 3 cm.", "There is a mass of 3 cm."),
    ("\"Ground-glass\" opacities are visible.", "Ground-glass opacities are visible."),
    ("(1) no mass (2) no stone [3] no fluid {4} <5>", "1. no mass 2. no stone 3. no fluid"),
    ("the liver the liver the liver the liver", "the liver"),
    ("the liver", "the liver the liver the liver the liver"),
    ("liver", "spleen"),
    ("", "The liver is normal."),
    ("The liver is normal.", ""),
    ("", ""),
    (" ", "\n\t"),
    (".", "."),
    ("...", "No finding ..."),
    ("!!! ??", "What?!"),
    ("A", "a"),
    ("NORMAL EXAMINATION.", "Normal examination."),
    ("Größe der Läsion: 5 mm, naïve café", "Grosse der Lasion: 5 mm, naive cafe"),
    ("肝脏 正常。", "肝脏 未见异常。"),
    ("Опухоль печени 5 мм.", "Опухоль печени."),
    ("“Curly” quotes and ‘single’ ones — with dashes – too…", "\"Curly\" quotes and 'single' ones - with dashes too..."),
    ("«Lésion» hépatique", "Lésion hépatique"),
    ("<skipped>word-\nbreak &amp; more &lt;5 mm&gt; &quot;x&quot;", "wordbreak & more <5 mm> \"x\""),
    ("line one\nline two\r\nline three", "line one line two line three"),
    ("100% of 1,000.5 mL @ $5 #3 * 2 = 4 ^ ~ | \\ / _", "100 % of 1000.5 mL"),
    ("e-mail: a.b@c.org, http://x.y/z?q=1", "e-mail a.b@c.org"),
    ("cannot gonna wanna gimme lemme gotta 'tis 'twas d'ye more'n", "can not going to want to"),
    ("Don't, won't; I'll we've they're she'd I'm HE'S N'T", "do not will not I will"),
    ("''quoted'' ``quoted'' \"quoted\" '", "quoted"),
    ("the patients' lungs, the patient's heart's", "the lungs of the patients"),
    ("--- -- -", "a -- b"),
    ("3.5. 3.5, 3,5 .5 5. ,5 5,", "3.5 3,5"),
    ("Level L1. next level L2. Next L3.", "Levels L1, L2 and L3."),
    ("J. S. Bach et al. (2020). Results.", "Bach et al. 2020"),
    ("Grade 2. of 4", "Grade 2 of 4."),
    ("Seen. . . not seen .. maybe", "Seen ... not seen"),
    ("organs organ organization organized organic", "organ organs organize organizing"),
    ("enlarged enlarging enlargement", "enlarge enlarges"),
    ("calcified calcification calcifies", "calcify calcifying"),
    ("skies dying lying tying news innings", "sky die lie tie new inning"),
    ("happily happiness happy flies flying fly", "happy fly"),
    ("tab\tand\x0bvertical\x0cform", "tab and vertical form"),
    ("nbsp\u00a0between thin\u2009space", "nbsp between thin space"),
    ("x" * 300, "x" * 300),
    ("a b c d e f g h i j", "j i h g f e d c b a"),
    ("a a b b c c", "c b a c b a"),
    ("one two three four five six", "one two six five four three"),
    ("Coordinates are [0.1, 0.25, 0.5, 0.969, 0.5, 0.996].", "Sure, it is [0.1, 0.25, 0.5, 0.969, 0.5, 0.996]."),
    ("It is [SEG].", "Sure, it is [SEG]."),
    ("Sorry, there is no gallbladder.", "Sorry, there is no gall bladder."),
    ("The physician examined the kidney", "A doctor examined the renal organ"),
    ("large tumours", "big tumor"),
    ("ribs were broken", "a broken rib"),
]

WORDS = (
    "the a of in is are no with and right left liver lesion kidney stone lung nodule pleural effusion spleen enlarged "
    "normal measures 3.5 mm 12 cm % (small) large, seen. unremarkable; contrast-enhanced phase: venous T12 L1 fracture's "
    "calcifications calcified aorta doctor physician big tumor don't ' \" -- ... ? !"
).split()


def pairs():
    """The pairs above, and more of random words until there are 120."""
    dice = random.Random(7)
    made = list(PAIRS)
    while len(made) < 120:
        wanted = [dice.choice(WORDS) for _ in range(dice.randint(1, 30))]
        told = [dice.choice(WORDS) if dice.random() < 0.4 else word for word in wanted]
        if dice.random() < 0.3:
            dice.shuffle(told)
        told = told[: dice.randint(1, len(told))] if dice.random() < 0.4 else told
        made.append((" ".join(told), " ".join(wanted)))
    return made


SYNSETS = {
    "noun": [
        ["doctor", "physician", "Dr."],
        ["kidney"],
        ["tumor", "tumour", "neoplasm"],
        ["large_intestine", "bowel"],
        ["lesion", "wound"],
        ["man", "adult_male"],
        ["calf", "veal"],
    ],
    "verb": [["measure", "mensurate"], ["break", "fracture"], ["see", "view"]],
    "adj": [["large", "big"], ["galore(ip)", "abounding"], ["small", "little"]],
    "adv": [["fast", "tight"]],
}
EXCEPTIONS = {"noun": ["calves calf"], "verb": ["broken break", "seen see"], "adj": ["littler little"], "adv": []}


def write_wordnet(folder):
    """A dictionary of a few synonym sets in WNDB's form."""
    folder.mkdir(exist_ok=True)
    marks = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
    lexnames = [f"{n:02}\tfile{n}\t{1 + n % 4}" for n in range(46)]
    for part, sets in SYNSETS.items():
        data, index = "  1 made for a test\n", {}
        for words in sets:
            offset = len(data)
            for word in words:
                index.setdefault(word.split("(")[0].lower(), []).append(offset)
            listed = " ".join(f"{word} 0" for word in words)
            frames = " 00" if part == "verb" else ""
            data += f"{offset:08} 03 {marks[part]} {len(words):02x} {listed} 000{frames} | made for a test\n"
        lines = "  1 made for a test\n"
        for word, offsets in sorted(index.items()):
            listed = " ".join(f"{offset:08}" for offset in offsets)
            lines += f"{word} {marks[part]} {len(offsets)} 1 @ {len(offsets)} 0 {listed}\n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(lines)
        (folder / f"{part}.exc").write_text("".join(line + "\n" for line in EXCEPTIONS[part]))
    return lexnames


class SmallWordNet(WordNetCorpusReader):
    def map_wn(self, version="wordnet"):
        """There is no other version to map to."""


class NoSynonyms:
    def synsets(self, word):
        return []


def word_tokenize(text, punkt=PunktSentenceTokenizer(), words=NLTKWordTokenizer()):
    return [token for sentence in punkt.tokenize(text) for token in words.tokenize(sentence)]


def make_cases():
    lexnames = write_wordnet(HERE / "wordnet")
    for name, text in [("lexnames", "\n".join(lexnames) + "\n"), ("cntlist.rev", ""), ("index.sense", "")]:
        (HERE / "wordnet" / name).write_text(text)
    import warnings

    warnings.simplefilter("ignore")
    nltk.data.path.append(str(HERE))
    wordnet = SmallWordNet(str(HERE / "wordnet"), None)
    rouge = rouge_scorer.RougeScorer(["rouge1"], use_stemmer=False)
    bleu = sacrebleu.metrics.BLEU(max_ngram_order=1, smooth_method="none", tokenize="13a")
    cases = []
    for told, wanted in pairs():
        left, right = word_tokenize(told), word_tokenize(wanted)
        cases.append(
            {
                "prediction": told,
                "reference": wanted,
                "words": left,
                "bleu1": bleu.corpus_score([told], [[wanted]]).score / 100,
                "rouge1": rouge.score(wanted, told)["rouge1"].fmeasure,
                "meteor": single_meteor_score(right, left, wordnet=NoSynonyms()),
                "meteor_wordnet": single_meteor_score(right, left, wordnet=wordnet),
            }
        )
    texts = [told for told, _ in pairs()], [[wanted for _, wanted in pairs()]]
    stemmer = PorterStemmer()
    words = sorted({word for case in cases for word in case["words"]} | set(STEMS.split()))
    for name in ["lexnames", "cntlist.rev", "index.sense"]:
        (HERE / "wordnet" / name).unlink()
    return {
        "versions": {
            "sacrebleu": sacrebleu.__version__,
            "rouge-score": "0.1.2",
            "nltk": nltk.__version__,
        },
        "corpus_bleu1": bleu.corpus_score(*texts).score / 100,
        "cases": cases,
        "stems": {word: stemmer.stem(word) for word in words},
    }


STEMS = (
    "caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned "
    "falling hissing fizzed failing filing happy sky relational conditional rational valency hesitancy digitizer "
    "conformably radically differently vilely analogously vietnamization predication operator feudalism decisiveness "
    "hopefulness callousness formality sensitivity sensibility triplicate formative formalize electricity electrical "
    "hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement "
    "adjustment dependent adoption homologous communism activate angularity effective bowdlerize probate rate cease "
    "controll roll geology theology archaeology logic spied died dies flies enjoy enjoyment spy cry syzygy yes yyy "
    "by bb bed abilities fully carefully totally finally hopefully ion lions legion passion oasis radiology pathology "
    "hepatomegaly opacities thickening nodularity atelectasis effusions lymphadenopathy metastases metastatic "
    "degenerative osteophytes stenosis hydronephrosis unremarkable attenuating hyperattenuating consolidation"
)


def make_bertscore():
    """A BERT of random numbers, and what bert-score makes of it at the ninth of its eleven layers."""
    import bert_score.utils as scoring

    torch.manual_seed(5)
    folder = HERE / "bert"
    folder.mkdir(exist_ok=True)
    vocabulary = (HERE.parent / "wordpiece" / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(vocabulary)
    size = len(vocabulary.splitlines())
    config = transformers.BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=11, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, initializer_range=0.4,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    # As the published file has them.
    tensors = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in model.state_dict().items()
        if "position_ids" not in name
    }
    from safetensors.torch import save_file

    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    (folder / "config.json").write_text(config.to_json_string())
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    # Gone from younger versions of the library; bert-score asks it for the tokens of an empty text.
    tokenizer.build_inputs_with_special_tokens = lambda ids: [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
    model.encoder.layer = torch.nn.ModuleList(model.encoder.layer[:9])
    chosen = [pair for pair in PAIRS if pair[0].isascii() and pair[1].isascii()][:40]
    from collections import defaultdict

    weights = defaultdict(lambda: 1.0)
    weights[tokenizer.sep_token_id] = 0
    weights[tokenizer.cls_token_id] = 0
    cases = []
    for told, wanted in chosen:
        with torch.no_grad():
            scores = scoring.bert_cos_score_idf(
                model, [wanted], [told], tokenizer, weights, device="cpu", batch_size=1, all_layers=False
            )
        cases.append({"prediction": told, "reference": wanted, "f1": float(scores[0, 2])})
    return {"versions": {"bert-score": "0.3.13", "transformers": transformers.__version__}, "cases": cases}


if __name__ == "__main__":
    for name, made in [("cases.json", make_cases()), ("bertscore.json", make_bertscore())]:
        (HERE / name).write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n")
