"""Names to draw invented people from. Given and family names are paired at random; nobody is meant by any of them.

Each tradition gives names as their bearers write them, so that a roster looks like a real school: several
scripts, accents, several family names, and names whose family part comes first.
"""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tradition:
    """A stock of names in one script. `weight` is how often a family is drawn from it."""

    language: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    weight: int = 1
    latin: bool = True


TRADITIONS: tuple[Tradition, ...] = (
    Tradition(
        "en",
        (
            "Ava",
            "Miles",
            "Harper",
            "Ellis",
            "Rowan",
            "Piper",
            "Jonah",
            "Tess",
            "Wyatt",
            "Nora",
            "Silas",
            "Juniper",
            "Caleb",
            "Maeve",
            "Dexter",
            "Willa",
            "Emmett",
            "Hazel",
            "Otis",
            "Phoebe",
            "Gideon",
            "Marlo",
            "Beatrix",
            "Knox",
        ),
        (
            "Ashdown",
            "Birchall",
            "Corrigan",
            "Dunmore",
            "Eastlake",
            "Farraday",
            "Goodwyn",
            "Hathersage",
            "Kettering",
            "Lockhart",
            "Merriweather",
            "Northcott",
            "Penhallow",
            "Quillfeather",
            "Ravenscroft",
            "Stanhope",
            "Thackeray-Moss",
            "Underhay",
            "Whitlock",
            "O'Dallaghan",
        ),
        weight=9,
    ),
    Tradition(
        "es",
        ("Lucía", "Mateo", "Ximena", "Íñigo", "Valentina", "Joaquín", "Renata", "Andrés", "Itzel", "Nicolás", "Begoña"),
        ("Ibáñez Robledo", "Peñalver Cruz", "Zúñiga Márquez", "Quiñones", "de la Encina", "Villaseñor Ortega", "Muñiz"),
        weight=6,
    ),
    Tradition(
        "vi",
        ("Minh Anh", "Thùy Dương", "Quốc Bảo", "Ngọc Hân", "Đức Huy", "Khánh Linh", "Phương Thảo", "Gia Hưng"),
        ("Nguyễn", "Trần", "Phạm", "Huỳnh", "Vũ", "Đặng"),
        weight=2,
    ),
    Tradition(
        "fr",
        ("Amélie", "Loïc", "Zoë", "Théo", "Maïwenn", "Gaël", "Éloïse", "Anaïs"),
        ("Lefèvre", "D'Argencourt", "Bélanger", "Kérouac-Duval", "Noël", "Çelik-Fournier"),
        weight=2,
    ),
    Tradition(
        "da",
        ("Søren", "Åsa", "Bjørk", "Ingrid", "Þórunn", "Linnéa", "Jørgen", "Sigríður"),
        ("Østergård", "Åkesson", "Guðmundsdóttir", "Nygård", "Ængström", "Møller-Hæg"),
        weight=2,
    ),
    Tradition(
        "pl",
        ("Łucja", "Kacper", "Zofia", "Wojciech", "Žofie", "Ondřej", "Bartłomiej", "Růžena"),
        ("Wiśniewska-Żak", "Dvořák", "Szczęsny", "Łopuszyński", "Čermák", "Gąsior"),
        weight=2,
    ),
    Tradition(
        "tr",
        ("Çağla", "Işıl", "Emre", "Gülşen", "Oğuz", "Yiğit"),
        ("Yıldırım", "Şahin", "Özgüç", "Kılıçoğlu"),
    ),
    Tradition(
        "yo",
        ("Adé", "Ṣadé", "Títílayọ̀", "Kofi", "Abena", "Olúwaṣeun"),
        ("Adéyẹmí", "Ọlátúnjí", "Owusu", "Agyemang"),
    ),
    Tradition(
        "haw",
        ("Kaʻiulani", "Keoni", "Leilani", "Nāinoa"),
        ("Kahananui", "Kealoha-Park", "Māhoe"),
    ),
    Tradition(
        "uk",
        ("Олена", "Тарас", "Марія", "Богдан", "Соломія", "Євген"),
        ("Коваленко", "Шевчук", "Гриценко", "Лисенко"),
        latin=False,
    ),
    Tradition(
        "ru",
        ("Анна", "Лев", "Дарья", "Фёдор", "Ксения"),
        ("Черных", "Седых", "Долгих"),
        latin=False,
    ),
    Tradition(
        "el",
        ("Ελένη", "Νικόλας", "Χρυσάνθη", "Ορέστης"),
        ("Παπαδάκη", "Ιωάννου", "Καραγιάννη"),
        latin=False,
    ),
    Tradition(
        "ar",
        ("ليلى", "يوسف", "نور", "سلمى", "عمر", "هدى"),
        ("الحدّاد", "الخطيب", "منصور", "الزهراني"),
        weight=2,
        latin=False,
    ),
    Tradition(
        "fa",
        ("شیرین", "آرش", "نازنین", "کیان"),
        ("رستمی", "نیک‌پور", "فرهادیان"),
        latin=False,
    ),
    Tradition(
        "he",
        ("נועה", "איתי", "תמר", "יונתן", "שירה"),
        ("ברק־לוי", "שפירא", "אלמוג"),
        latin=False,
    ),
    Tradition(
        "hi",
        ("अनन्या", "रोहन", "ईशा", "कृष्णा", "श्रेया"),
        ("शर्मा", "त्रिपाठी", "वर्मा", "क्षीरसागर"),
        weight=2,
        latin=False,
    ),
    Tradition(
        "zh-Hans",
        ("晓雨", "子轩", "思远", "梦琪", "浩然"),
        ("欧阳", "王", "陈", "刘"),
        weight=2,
        latin=False,
    ),
    Tradition(
        "ja",
        ("陽菜", "蓮", "さくら", "悠真", "千尋"),
        ("渡邉", "髙橋", "小野寺", "佐々木"),
        latin=False,
    ),
    Tradition(
        "ko",
        ("서연", "민준", "하은", "도윤", "지우"),
        ("김", "박", "남궁", "최"),
        weight=2,
        latin=False,
    ),
    Tradition(
        "hy",
        ("Անի", "Տիգրան", "Լուսինե", "Գոռ"),
        ("Սարգսյան", "Պետրոսյան", "Հակոբյան"),
        latin=False,
    ),
    Tradition(
        "th",
        ("ณัฐพล", "พิมพ์ชนก", "กานต์", "ศิริพร"),
        ("วงศ์สุวรรณ", "แก้วมณี", "ทองดี"),
        latin=False,
    ),
)

_PLAIN_LETTERS = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "æ": "ae", "þ": "th", "ð": "d", "ı": "i", "ß": "ss"})


def address_word(name: str) -> str:
    """A name as it would stand before the @: plain small letters, or nothing when there are none."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN_LETTERS))
    return "".join(c for c in plain if c.isascii() and c.isalpha())
