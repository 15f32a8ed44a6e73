"""Sentences of invented students and schools, to be combined into transcripts."""

LATIN = {
    "ศิริพร ทองดี": "Siriporn Thongdi",
    "พิมพ์ชนก แก้วมณี": "Pimchanok Kaewmanee",
    "悠真 渡邉": "Yuma Watanabe",
    "蓮 小野寺": "Ren Onodera",
    "晓雨 王": "Xiaoyu Wang",
    "思远 欧阳": "Siyuan Ouyang",
    "浩然 刘": "Haoran Liu",
    "지우 최": "Jiu Choi",
    "하은 최": "Haeun Choi",
    "Тарас Гриценко": "Taras Hrytsenko",
    "Тарас Шевчук": "Taras Shevchuk",
    "कृष्णा त्रिपाठी": "Krishna Tripathi",
    "श्रेया शर्मा": "Shreya Sharma",
    "يوسف منصور": "Yousef Mansour",
    "ليلى الحدّاد": "Layla al-Haddad",
    "תמר שפירא": "Tamar Shapira",
    "נועה אלמוג": "Noa Almog",
    "Χρυσάνθη Ιωάννου": "Chrysanthi Ioannou",
    "Գոռ Սարգսյան": "Gor Sargsyan",
    "Լուսինե Պետրոսյան": "Lusine Petrosyan",
}
"""How the school writes, on its own papers, the names that the family writes in another script."""

FAMILY_FIRST = frozenset({"zh-Hans", "ko", "ja", "vi"})
UNSPACED = frozenset({"zh-Hans", "ko"})

OPENINGS = (
    "My grandmother keeps seeds in labeled jars, and for a long time I thought that was all a record was: a jar with a date on it.",
    "In ninth grade I was asked what I wanted to be able to do that I could not do yet. I had no answer, and I have been working on the question since.",
    "The bus to school takes fifty minutes. Most of what I know about people I learned there, before eight in the morning.",
    "The first thing I built fell apart in front of everyone. The second thing I built was a list of reasons why.",
    "I am the person in my family who reads the letters: the ones from the bank, from the clinic, from the county.",
    "Low tide smells of iron and rot, and I have come to like it, because it means there are two hours in which to count.",
    "I did not speak in class until the winter of tenth grade. When I did, it was to disagree.",
    "Somebody has to close up the shop at night, and for three years it has been me.",
)
MIDDLES = (
    "Working toward credits instead of grades changed what I asked for. I stopped asking whether something was good enough and began to ask what was missing.",
    "My inquiry began as a complaint about the cafeteria and ended as a ledger of where the food goes. On the way I learned to weigh things, to write to strangers, and to be wrong in public.",
    "When I led our crew I planned for everything but the day on which nobody came. I now plan for that day first.",
    "I rewrote one essay eleven times. Between the seventh and the eighth version I found out what I thought.",
    "The data did not agree with me. I checked the instrument, then the method, and in the end I changed my mind, which took longest.",
    "Teaching fractions to a younger student showed me that I had never understood them, only used them.",
    "I learned to repair pumps from a man who said perhaps ten words a day. I learned to listen from him as well.",
    "We lost the vote. A year later the council took up the same proposal with our figures in it, and I was in the room.",
)
CLOSINGS = (
    "I want to study where people can tell me that I am wrong and show me how.",
    "What I bring is patience with details and impatience with excuses, my own before all others.",
    "I don't know yet what I will call my work. I know that I want it to be of use to a place.",
    "Next I would like to learn the mathematics that the last part of my project needed and that I had to leave to others.",
    "I hope to come back with something that this town can use.",
    "I am looking for teachers who have questions of their own.",
    "If there is a shelf for records of things done carefully, I would like to add to it.",
    "I am ready for a harder version of the same problem.",
)
STATEMENT_ES = (
    "En mi casa se habla de agua todo el año: cuánta queda, quién la reparte, a qué hora llega. De niña creía que eso era "
    "cosa de mayores. Ahora llevo dos temporadas midiendo la acequia con un sensor que construí en el taller, y los mayores "
    "me preguntan a mí.\n\nAprendí que un número sin historia no convence a nadie, y que una historia sin números tampoco. "
    "Quiero estudiar cómo se decide entre los dos, y volver para la próxima asamblea con mejores preguntas."
)

COURSES = (
    ("Estuary Studies", "Full year"),
    ("Seminar: Letters and Power", "Fall 2025"),
    ("Algebra Workshop", "Full year"),
    ("Statistics Lab", "Spring 2026"),
    ("Español para la comunidad", "Full year"),
    ("Introduction to Field Recording", "Fall 2025"),
    ("Ceramics", "Spring 2026"),
    ("Calculus by Projects", "Full year"),
    ("History of the Commons", "Fall 2026"),
    ("Physics of Everyday Things", "Fall 2026"),
    ("Mandarin II", "Full year"),
    ("Ethics Reading Group", "Spring 2026"),
    ("Structures and Bridges", "Fall 2025"),
    ("Studio: Print", "Spring 2025"),
    ("Chemistry of Soil", "Spring 2025"),
    ("Theater: Devised Work", "Fall 2024"),
)
ACTIVITIES = (
    (
        "Cross-country",
        "4 years",
        "Captain in the last season; the team carried water for the slowest and still finished third.",
    ),
    ("Library desk", "3 years", "Shelving, then teaching the catalog to first-graders."),
    ("Jazz band, trombone", "2 years", None),
    ("Robotics club", "3 years", "Wrote the safety checklist that the club uses today."),
    ("Paid work: bakery", "2 years", "Twelve hours a week, opening shift."),
    ("Care for a younger sibling", "4 years", "Afternoons and school holidays."),
    ("Volunteer fire crew, junior", "1 year", None),
    ("Chess by mail", "5 years", "Correspondence games with retired players."),
    ("School radio", "2 years", "A weekly half hour in two languages."),
    ("Trail maintenance", "3 years", "Forty days with the county crew."),
    ("Debate", "2 years", None),
    ("Choir", "4 years", "Alto; librarian of the scores."),
    ("Community garden", "3 years", "Compost and accounts."),
    ("Food pantry", "2 years", "Saturday mornings; wrote the stock sheet."),
)
EVIDENCE = (
    ("Field notes", "text", "What was seen and measured, day by day."),
    ("Project report", "page", "The report as handed to the panel."),
    ("Results chart", "chart", "Measurements by week; the axis begins at zero."),
    ("Reflection", "text", "What was planned, what happened, what comes next."),
    ("Design drawing notes", "page", "Dimensions and the reasons for them."),
    ("Survey summary", "chart", "Answers by question; 41 of 60 people answered."),
)
EVIDENCE_LINES = (
    "Started with a plan of one page and a list of what could go wrong.",
    "The first measurement was thrown out: the instrument had not been set to zero.",
    "Asked two people who do this for a living; their advice differed, both are quoted.",
    "Changed one thing at a time from then on, and wrote down which.",
    "The result holds for this place and this season. Nothing is claimed beyond it.",
    "Next time the notes would begin a week earlier.",
    "Thanks are due to the crew, who carried the poles.",
)
NOTES = (
    "Joined the school in the eleventh grade; earlier work was assessed from a portfolio.",
    "The credit in progress continues through the spring term.",
    "Absent for seven weeks in the tenth grade for a reason that the school knows and supports.",
)

SCHOOLS = {
    "hp": {
        "name": "Harbor Point Academy",
        "address": "41 Quay Street, Port Ellis, ME 04000",
        "phone": "+1 207 555 0142",
        "code": "200999",
        "accreditation": "Coastal Schools Review, 2024",
        "profile": (
            "Harbor Point Academy is a public day school on a working harbor. Students earn credits by showing mastery; "
            "there are no grades, averages or ranks. A foundational credit is expected of every graduate, an advanced "
            "credit goes beyond. Two educators look at each piece of work, one of whom did not teach it.\n"
            "The school has 128 students. It publishes this profile with every transcript and changes it once a year."
        ),
    },
    "mv": {
        "name": "Mesa Verde High",
        "address": "900 Sage Road, Alta Mesa, CO 81000",
        "phone": "+1 970 555 0119",
        "code": "060998",
        "accreditation": "Plateau Council of Schools, 2023",
        "profile": (
            "Mesa Verde High is a public school of 112 students on the plateau, many of them bilingual. Learning is "
            "organized in studios of nine weeks; every credit ends in a public showing. Levels are those of the school's "
            "Portrait of a Graduate. The school gives no letter grades and does not rank.\n"
            "Students of the cooperative who attend part-time carry a Learning Record beside their own school's transcript."
        ),
    },
}  # fmt: skip
