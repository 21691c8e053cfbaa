//! Chinese for what is said about customer books and price lists from outside.

use super::Table;

/// Pairs of English and Chinese.
pub const TABLE: Table = &[
    // The customer book.
    (
        "the customer was {years} on the day of signing and is not of age today; only adults may sign",
        "客户签约当天只有 {years} 岁，现在也未满 18 周岁，不能签约",
    ),
    (
        "check the ID number and the sign date; if both are right, an adult has to sign a new agreement",
        "核对身份证号和签约日期；如果都没错，需要由成年人重新签一份协议",
    ),
    ("the monthly amount must be more than zero", "月付金额必须大于 0"),
    ("write the amount of one month in yuan, for example 199.00", "填写每月的金额（元），例如 199.00"),
    (
        "the monthly amount is above 500.00, more than payment rails take in one debit",
        "月付金额超过 500.00 元，支付渠道单笔扣不了这么多",
    ),
    (
        "write the amount of one month, not of the whole plan, for example 199.00",
        "填写一个月的金额，不要填总金额，例如 199.00",
    ),
    ("this is not a whole number", "这不是整数"),
    ("write digits only, for example 12", "只填数字，例如 12"),
    ("a plan has 1 to 36 terms", "期数应在 1 到 36 期之间"),
    ("write how many monthly debits were agreed, usually 12 to 24", "填写约定一共扣几个月，一般是 12 到 24"),
    ("this cannot be read as a date", "看不出这是哪一天"),
    ("write year, month and day, for example 2026-01-09", "按年、月、日填写，例如 2026-01-09"),
    ("the calendar has no such day", "日历上没有这一天"),
    (
        "look up the day in the signed agreement and write it like 2026-01-09",
        "查一下签好的协议，按 2026-01-09 这样的格式填写",
    ),
    ("the sign date lies in the future", "签约日期还没到"),
    (
        "write the day on which the customer signed; leave out who has not signed yet",
        "填写客户实际签约的日期；还没签约的客户先不要导入",
    ),
    ("not every month has this day", "不是每个月都有这一天"),
    ("use 28 or 1, and tell the customer", "改成 28 或 1，并告诉客户"),
    ("this is not a day of the month", "这不是每月的某一天"),
    ("write a day from 1 to 28", "填写 1 到 28 之间的日子"),
    ("this shop has no such payment rail", "本店没有开通这个支付渠道"),
    ("write one of: {rails}", "改成其中一个：{rails}"),
    ("a wallet is never below zero", "宠物钱包余额不会小于 0"),
    ("write 0 or what is left in the wallet", "填 0，或钱包里还剩的金额"),
    ("line {line} has the same number but says something else", "和第 {line} 行编号相同，但内容不一样"),
    (
        "give each agreement its own number, or delete the row that is wrong",
        "每份协议用自己的编号，或者删掉写错的那一行",
    ),
    (
        "the monthly amount {amount} is outside the usual 150.00 to 300.00",
        "月付金额 {amount} 不在常见的 150.00 到 300.00 之间",
    ),
    ("{terms} terms are outside the usual 12 to 24", "{terms} 期不在常见的 12 到 24 期之间"),
    (
        "the customer was {years} at signing: note that the agreement was explained in full",
        "客户签约时 {years} 岁，请记录已向客户逐条讲解协议",
    ),
    (
        "the customer was only {years} at signing and is of age now: ask for a confirmation of the agreement",
        "客户签约时只有 {years} 岁，现在已成年：请让客户确认这份协议",
    ),
    (
        "{balance} in the wallet is above 5,000.00, the limit of a named prepaid card",
        "宠物钱包里有 {balance} 元，超过了记名预付卡 5,000.00 元的限额",
    ),
    ("the species {word} is kept as \"other\"", "种类“{word}”按“其他”保存"),
    // The price list.
    ("a price is never below zero", "价格不能小于 0"),
    ("write the amount in yuan, for example 79.00", "按元填写，例如 79.00"),
    ("the member price is above the price {price}", "会员价比售价 {price} 还高"),
    (
        "members never pay more than others: lower the member price or leave it empty",
        "会员不能比别人买得贵：调低会员价，或者留空",
    ),
    ("this is neither yes nor no", "这里只能填“是”或“否”"),
    ("write yes when the wallet may not pay for it, otherwise no", "宠物钱包不能买的填“是”，能买的填“否”"),
    ("line {line} has the same code but says something else", "和第 {line} 行货号相同，但内容不一样"),
    ("give each item its own code, or delete the row that is wrong", "每个商品用自己的货号，或者删掉写错的那一行"),
    (
        "nothing is earned: the cost {cost} is not below the member price {price}",
        "不赚钱：成本 {cost} 不低于会员价 {price}",
    ),
    (
        "the category {word} is new: say for each item whether the wallet may pay for it",
        "类目“{word}”是新的：请为每个商品说明宠物钱包能不能买",
    ),
    // The file as a whole.
    ("the file is empty", "文件是空的"),
    ("check that it is the right file", "看看是不是选错了文件"),
    ("this is an Excel or WPS workbook, not a CSV", "这是 Excel 或 WPS 表格，不是 CSV"),
    ("open it, choose \"Save as\", and choose the type CSV", "打开它，选“另存为”，类型选 CSV"),
    ("this is a PDF, not a CSV", "这是 PDF，不是 CSV"),
    ("get the table itself and save it as CSV", "找到原来的表格，另存为 CSV"),
    ("this is a web page or XML, not a CSV", "这是网页或 XML 文件，不是 CSV"),
    (
        "open it in Excel or WPS, choose \"Save as\", and choose the type CSV",
        "用 Excel 或 WPS 打开，选“另存为”，类型选 CSV",
    ),
    ("this is not a text file", "这不是文本文件"),
    ("save the table as CSV and choose UTF-8 when asked", "把表格另存为 CSV，编码选 UTF-8"),
    ("line {line} has characters that are neither UTF-8 nor GBK", "第 {line} 行有乱码，既不是 UTF-8 也不是 GBK"),
    ("save the table once more as \"CSV UTF-8\" from the original", "用原来的表格重新另存为“CSV UTF-8”"),
    (
        "no row near the top holds column names; the first row reads: {found}",
        "开头几行里没有找到列名；第一行是：{found}",
    ),
    ("add a row of column names at the top", "在最上面加一行列名"),
    ("columns are missing: {columns}", "缺少这些列：{columns}"),
    ("add these columns, or rename yours to these names", "补上这些列，或者把已有的列改成这些名字"),
    ("the column {column} stands there twice", "“{column}”这一列出现了两次"),
    ("delete or rename one of the two", "删掉其中一列，或者改个名字"),
    // Rows and cells of either.
    ("the row has {found} cells but the header has {expected}", "这一行有 {found} 格，表头有 {expected} 格"),
    (
        "look for a missing or extra comma; put a value that holds a comma in quotation marks",
        "看看是不是少了或多了逗号；内容里带逗号的，要用英文双引号括起来",
    ),
    ("a quotation mark is opened and never closed", "有一个双引号没有成对"),
    ("delete the quotation mark, or close it", "删掉这个双引号，或者补上另一半"),
    ("the row is longer than 64 KiB", "这一行超过 64 KiB，太长了"),
    ("look for a missing line break, or shorten the note", "看看是不是少了换行，或者把备注写短一些"),
    ("nothing is written here", "这里没有填"),
    ("fill it in", "补上内容"),
    ("this is longer than {limit} characters", "超过了 {limit} 个字"),
    ("shorten it; perhaps two cells have run together", "写短一些；也可能是两格内容连在一起了"),
    ("one character is not a full name", "只有一个字，不是完整的姓名"),
    ("write the name as it stands on the ID card", "按身份证上的姓名填写"),
    ("write the 11 digits of a mobile number, for example 138 0000 0000", "填写 11 位手机号，例如 138 0000 0000"),
    (
        "the spreadsheet has rounded this number and lost its last digits",
        "表格软件把这个号码变成了科学计数，后几位已经丢了",
    ),
    ("format the column as text and write the number again in full", "把这一列设成文本格式，重新填写完整的号码"),
    ("a phone number has digits only", "手机号只能是数字"),
    ("a mobile number has 11 digits, this has {found}", "手机号应为 11 位，这里是 {found} 位"),
    (
        "this is not a mobile number of mainland China, so it gets no text messages",
        "这不是中国大陆的手机号，收不到短信",
    ),
    ("compare it with the ID card, digit by digit", "对照身份证逐位核对"),
    (
        "this is a 15-digit number of the first generation, which is no longer valid",
        "这是 15 位的一代身份证号，已经失效",
    ),
    ("write the 18 characters of the present ID card", "填写现在身份证上的 18 位号码"),
    ("an ID number has 18 characters, this has {found}", "身份证号应为 18 位，这里是 {found} 位"),
    ("an ID number is 17 digits and then a digit or X", "身份证号前 17 位是数字，最后一位是数字或 X"),
    ("no province has the first two digits of this ID number", "身份证号前两位不是任何省份的代码"),
    ("digits 7 to 14 of this ID number are not a date", "身份证号第 7 到 14 位不是有效的出生日期"),
    ("by this ID number the customer is not born yet", "按这个身份证号，客户还没有出生"),
    (
        "the last character of this ID number does not fit the others: one was mistyped",
        "身份证号最后一位对不上，有一位填错了",
    ),
    ("write the amount in yuan with digits, for example 199.00", "用数字填写金额（元），例如 199.00"),
    ("this is not an amount", "这不是金额"),
    ("an amount has at most two decimals", "金额最多两位小数"),
    ("this amount is too large", "金额太大了"),
    ("this payment rail takes debit days up to {max}", "这个支付渠道的扣款日最晚是 {max} 日"),
    ("agree another day with the customer and write it here", "和客户另约一个日子，填在这里"),
    (
        "{agreement} has this number already and says something else: {fields}",
        "{agreement} 已经用了这个编号，但内容不一样：{fields}",
    ),
    (
        "correct the row, or give it a number of its own; a file never changes an agreement",
        "改正这一行，或换一个编号；导入文件不会修改已有的协议",
    ),
    ("{customer} has this ID number and another name", "{customer} 用的是这个身份证号，但姓名不同"),
    ("compare name and ID number with the ID card", "对照身份证核对姓名和号码"),
    (
        "a debit day above {max} leaves no room for every retry on this payment rail",
        "扣款日晚于 {max} 日，这个支付渠道失败后来不及全部重试",
    ),
    (
        "{customer} is known with another phone number, which was kept",
        "{customer} 原来登记的是另一个手机号，已保留原号",
    ),
    (
        "no plan {plan} has this amount and number of terms; the name is kept as the book has it",
        "没有金额和期数都相符的套餐“{plan}”；按表里的名称保存",
    ),
    (
        "every term was collected before: the agreement is kept as completed, without a mandate",
        "各期都已收完：协议按已完成保存，不再要代扣授权",
    ),
];
