// Two devices of one person, in Kotlin: what an app for Android does.

import java.nio.file.Files
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import uniffi.phone.Item
import uniffi.phone.ShoppingList
import uniffi.phone.ShoppingException
import uniffi.phone.Watcher
import uniffi.phone.newSeed

fun main(arguments: Array<String>) {
    val host = arguments[0]
    val seed = newSeed()
    val folder = Files.createTempDirectory("phone")
    val mine = ShoppingList.open(folder.resolve("mine.redb").toString(), seed, host)
    val other = ShoppingList.open(folder.resolve("other.redb").toString(), seed, host)
    val hasChanged = CountDownLatch(1)
    other.watch(object : Watcher {
        override fun changed() = hasChanged.countDown()
    })

    val milk = mine.add("milk")
    val bread = mine.add("bread")
    mine.tick(milk, true)
    mine.remove(bread)
    check(mine.sync())
    check(hasChanged.await(60, TimeUnit.SECONDS))
    check(other.sync())
    check(other.items() == listOf(Item(milk, "milk", true))) { other.items() }

    try {
        ShoppingList.open(folder.resolve("third.redb").toString(), "not a seed", null)
        error("a text is not a seed")
    } catch (failed: ShoppingException.Failed) {
        check("64 hex digits" in failed.reason) { failed.reason }
    }
    other.shut()
    mine.shut()
    folder.toFile().deleteRecursively()
    println("the story of two devices is told")
}
