//! Invented people's names, from many places, and their plain-ASCII forms for addresses.

struct Culture {
    first: [&'static str; 8],
    last: [&'static str; 8],
}

/// How many different names there are.
#[cfg(test)]
pub(super) const NAMES: usize = CULTURES.len() * 64;

const CULTURES: [Culture; 12] = [
    Culture {
        first: ["Jussara", "Anselmo", "Marília", "Otávio", "Iracema", "Caíque", "Luzia", "Evaristo"],
        last: [
            "Quintela",
            "Figueirôa",
            "Travassos",
            "Brandolim",
            "Sampaiva",
            "Lacerdo",
            "Valadim",
            "Conceiçal",
        ],
    },
    Culture {
        first: ["Ebba", "Torsten", "Linnéa", "Åke", "Saga", "Halvard", "Sølvi", "Ragnfrid"],
        last: ["Bergvall", "Sjöholt", "Åkermyr", "Granlid", "Nordhammar", "Dalsäter", "Viklo", "Høgset"],
    },
    Culture {
        first: ["Łucja", "Bogumił", "Żaneta", "Kazimiera", "Witold", "Jagna", "Sławoj", "Hanka"],
        last: ["Wrzosek", "Śliwnik", "Dąbek", "Jeżyna", "Kłosik", "Modrzewik", "Gąsior", "Brzózka"],
    },
    Culture {
        first: ["Folasade", "Adébáyò", "Temiloluwa", "Ikenna", "Zainabu", "Obiora", "Yéwándé", "Danjuma"],
        last: ["Balogundé", "Adéyinka", "Okwuosa", "Ezenduka", "Olaniran", "Umezuru", "Falodun", "Garbati"],
    },
    Culture {
        first: ["Haruka", "Shiori", "Daichi", "Nozomi", "Takumi", "Kaho", "Ren", "Ayaka"],
        last: [
            "Mizunuma",
            "Hoshino-Abe",
            "Kirishita",
            "Tanemori",
            "Fujikake",
            "Morishige",
            "Arimizu",
            "Kazehaya",
        ],
    },
    Culture {
        first: ["Thảo", "Quân", "Diễm", "Đạt", "Nhàn", "Khải", "Hạnh", "Phúc"],
        last: ["Lương", "Đoàn", "Trịnh", "Huỳnh", "Tạ", "Quách", "Vương", "Lục"],
    },
    Culture {
        first: ["Gülşen", "Çağan", "İpek", "Oğuz", "Nehir", "Tarık", "Şule", "Barış"],
        last: ["Karadere", "Yıldızcı", "Gökçay", "Aksungur", "Demirtepe", "Özbağ", "Çınarlı", "Taşkale"],
    },
    Culture {
        first: ["Kavitha", "Arunan", "Meghna", "Debjit", "Sowmya", "Ishaan", "Parvati", "Tejas"],
        last: [
            "Ramanujapuram",
            "Chattaraj",
            "Velayuthan",
            "Bhowmikar",
            "Deshkar",
            "Nambiyar",
            "Sarkhel",
            "Pillaiyan",
        ],
    },
    Culture {
        first: ["Ευτυχία", "Ourania", "Λεωνίδας", "Stamatis", "Φωτεινή", "Zisis", "Μυρτώ", "Aristea"],
        last: [
            "Kalogridis",
            "Petromanos",
            "Vrysoulas",
            "Xanthidou",
            "Lagoudis",
            "Thymiou",
            "Anemelis",
            "Platanias",
        ],
    },
    Culture {
        first: ["Sadhbh", "Fiachra", "Caoimhe", "Lorcán", "Bláthnaid", "Oisín", "Gráinne", "Tadhg"],
        last: [
            "O'Dorney",
            "Mac Giolla",
            "Ní Bhraon",
            "Kilbracken",
            "Ó Fathaigh",
            "Corrigane",
            "Tierlach",
            "Dunavan",
        ],
    },
    Culture {
        first: ["Killa", "Illari", "Wayra", "Amaru", "Sumaq", "Inti", "Urpi", "Rimaq"],
        last: [
            "Quentasi",
            "Huamanñahui",
            "Mamaniyo",
            "Ccoyllur",
            "Apazara",
            "Yupanki-Soto",
            "Choquepuma",
            "Ticlla",
        ],
    },
    Culture {
        first: ["Yasmine", "Idir", "Soukaina", "Tarek", "Nesrine", "Bilal", "Lalla", "Mounir"],
        last: [
            "Benkhelil",
            "Aït-Slimane",
            "El Ouardi",
            "Tazerout",
            "Bouhadji",
            "Chraïbane",
            "Zeroualid",
            "Hamdouchi",
        ],
    },
];

/// The name with this number, as people write it. Numbers below `NAMES` give different names.
pub(super) fn name(number: usize) -> String {
    let culture = &CULTURES[number % CULTURES.len()];
    let pair = number / CULTURES.len() % 64;
    let first = pair % 8;
    // Steps through the family names at another pace, so that neighbours in the list share neither name.
    let last = (pair / 8 + first * 3) % 8;
    format!("{} {}", culture.first[first], culture.last[last])
}

/// `first.last` in lower-case ASCII, for the part of an address before the `@`.
pub(super) fn mailbox(name: &str) -> String {
    let mut mailbox = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '-' => mailbox.push(letter),
            ' ' => mailbox.push('.'),
            _ => mailbox.push_str(plain(letter)),
        }
    }
    mailbox
}

/// The ASCII spelling of a lower-case letter; nothing for apostrophes and combining marks.
fn plain(letter: char) -> &'static str {
    match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ả' | 'ạ' | 'α' => "a",
        'ç' => "c",
        'đ' => "d",
        'è' | 'é' | 'ę' | 'ε' | 'ê' | 'ễ' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'ï' | 'ı' | 'ị' | 'ί' | 'ι' | 'ή' | 'η' => "i",
        'ł' | 'λ' => "l",
        'μ' => "m",
        'ñ' | 'ν' => "n",
        'ò' | 'ó' | 'ô' | 'ö' | 'ø' | 'ọ' | 'ơ' | 'ω' | 'ώ' => "o",
        'ś' | 'ş' | 'ς' => "s",
        'τ' => "t",
        'ú' | 'ü' | 'ư' | 'ụ' | 'û' => "u",
        'ỳ' | 'ỹ' | 'υ' => "y",
        'ź' | 'ż' => "z",
        'ρ' => "r",
        'δ' => "d",
        'φ' => "f",
        'χ' => "ch",
        _ => "",
    }
}
